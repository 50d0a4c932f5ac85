//! The program's process: started with the changed environment, sent the signals that we get, its exit code passed on.

use std::ffi::OsString;
use std::io::{ErrorKind, IsTerminal};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;
use tokio::signal::unix::{Signal as Listener, SignalKind, signal};

use super::environment::Environment;
use crate::output::{Output, advice};

/// What shells answer when a program cannot be executed, and when there is none (POSIX, Shell & Utilities 2.8.2).
const CANNOT_EXECUTE: u8 = 126;
const NOT_FOUND: u8 = 127;

/// The signals that end programs, caught.
pub(super) struct Signals {
    interrupt: Listener,
    quit: Listener,
    terminate: Listener,
    hang_up: Listener,
    /// Whether the program gets the keyboard's signals from the terminal itself.
    on_terminal: bool,
}

impl Signals {
    /// Catches them from now on.
    ///
    /// # Errors
    /// The system does not let us.
    pub(super) fn catch() -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            on_terminal: std::io::stdin().is_terminal(),
        })
    }

    /// The next signal that has to be passed on. Ctrl-C on a terminal reaches the program without us.
    async fn next(&mut self) -> Signal {
        loop {
            let (signal, from_keyboard) = tokio::select! {
                _ = self.interrupt.recv() => (Signal::INT, true),
                _ = self.quit.recv() => (Signal::QUIT, true),
                _ = self.terminate.recv() => (Signal::TERM, false),
                _ = self.hang_up.recv() => (Signal::HUP, false),
            };
            if !(from_keyboard && self.on_terminal) {
                return signal;
            }
        }
    }
}

/// Runs the program to its end. Answers its exit code, or 128 and the signal that ended it.
pub(super) async fn run(
    command: &[OsString],
    environment: &Environment,
    mut signals: Signals,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(advice(
            "which program?",
            "`ks run --agent bot -- python agent.py`",
        ));
    };
    let mut child = Command::new(program);
    child.args(arguments).envs(&environment.set);
    for name in &environment.remove {
        child.env_remove(name);
    }
    let mut child = match child.spawn() {
        Ok(child) => child,
        Err(error) => return Ok(not_started(program, &error, output)),
    };
    let pid = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    loop {
        tokio::select! {
            status = child.wait() => return Ok(code_of(status?)),
            signal = signals.next() => {
                if let Some(pid) = pid {
                    // A program that has just ended cannot be sent a signal, and need not be.
                    let _ = kill_process(pid, signal);
                }
            }
        }
    }
}

fn not_started(program: &OsString, error: &std::io::Error, output: &Output) -> ExitCode {
    output.failure(&anyhow::anyhow!(
        "cannot run `{}`: {error}",
        program.to_string_lossy()
    ));
    ExitCode::from(if error.kind() == ErrorKind::NotFound {
        NOT_FOUND
    } else {
        CANNOT_EXECUTE
    })
}

fn code_of(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
