//! Processes under measurement: started, looked at through `/proc`, and ended when dropped.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How long a process may take to listen.
const START: Duration = Duration::from_secs(20);
/// CPU time must stand still for this long before a process counts as being at rest.
const REST: Duration = Duration::from_millis(400);

/// A process, and its children as far as they were there when it was last looked at.
pub struct Subject {
    child: Child,
}

impl Subject {
    /// Starts `command` with its output going to `log`.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub fn start(command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let log = File::options().create(true).append(true).open(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("{} cannot be started", command.get_program().display()))?;
        Ok(Self { child })
    }

    /// The process and its children.
    pub fn pids(&self) -> Vec<u32> {
        let own = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children"));
        let children = children.unwrap_or_default();
        let children = children.split_whitespace().filter_map(|pid| pid.parse().ok());
        std::iter::once(own).chain(children).collect()
    }

    /// User and system time so far, in microseconds; counted by the system in steps of 10,000.
    ///
    /// # Errors
    ///
    /// The process is gone.
    pub fn cpu_us(&self) -> anyhow::Result<f64> {
        let mut ticks = 0.0;
        for pid in self.pids() {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
            let (_, fields) = stat.rsplit_once(')').context("/proc/<pid>/stat")?;
            let fields: Vec<&str> = fields.split_whitespace().collect();
            // utime and stime are the 14th and 15th field of the line, the 12th and 13th behind the name (proc(5)).
            ticks += fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
        }
        Ok(ticks * 1e6 / rustix::param::clock_ticks_per_second() as f64)
    }

    /// The same, once the process has finished what it does behind its answers.
    ///
    /// # Errors
    ///
    /// The process is gone.
    pub fn cpu_us_at_rest(&self) -> anyhow::Result<f64> {
        let mut last = self.cpu_us()?;
        loop {
            std::thread::sleep(REST);
            let now = self.cpu_us()?;
            if now - last < 10_001.0 {
                return Ok(now);
            }
            last = now;
        }
    }

    /// Resident memory in MiB.
    ///
    /// # Errors
    ///
    /// The process is gone.
    pub fn resident_mib(&self) -> anyhow::Result<f64> {
        let mut kib = 0.0;
        for pid in self.pids() {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let value = line.and_then(|line| line.split_whitespace().next());
            kib += value.context("VmRSS")?.parse::<f64>()?;
        }
        Ok(kib / 1024.0)
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    ///
    /// It does not end.
    pub fn stop(mut self) -> anyhow::Result<()> {
        signal(&self.child, Signal::TERM);
        let deadline = Instant::now() + START;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                bail!("a process does not end");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // A server with children, such as nginx, takes them with it when it is asked to end, not when it is killed.
            signal(&self.child, Signal::TERM);
            let deadline = Instant::now() + Duration::from_secs(8);
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(5));
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn signal(child: &Child, signal: Signal) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// A port of 127.0.0.1 that is free now.
///
/// # Errors
///
/// There is none.
pub fn free_addr() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Waits until somebody listens at `addr`.
///
/// # Errors
///
/// Nobody does in time.
pub fn await_listener(addr: SocketAddr) -> anyhow::Result<()> {
    let deadline = Instant::now() + START;
    while TcpStream::connect(addr).is_err() {
        if Instant::now() > deadline {
            bail!("nobody listens at {addr}");
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    Ok(())
}
