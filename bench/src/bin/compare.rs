//! The load comparison: the fake upstream alone, a bare hyper pass-through, nginx and Keystore as it is shipped, in turn, under the
//! same load. Prints one table in Markdown; `README.md` says how to read it.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a table is what it is for"
)]

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Parser;
use keystore_bench::load::{Load, Outcome};
use keystore_bench::process::{Subject, await_listener, free_addr};

/// The credential that every subject injects.
const KEY: &str = "sk-bench-0123456789abcdef0123456789abcdef";

/// Compares the proxy with a bare pass-through and with nginx.
#[derive(Parser)]
struct Arguments {
    /// Where the built programs are
    #[arg(long, default_value = "target/release")]
    programs: PathBuf,
    /// Where the programs of another version are, for the subject `before`
    #[arg(long)]
    before: Option<PathBuf>,
    /// The library that counts allocations, preloaded; without it they are not counted
    #[arg(long)]
    alloc_count: Option<PathBuf>,
    /// Interleaved rounds, of which the median counts; many short ones tell most on a machine that others use
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Requests of one buffered run under load; streams are a tenth of it
    #[arg(long, default_value_t = 20_000)]
    requests: usize,
    /// Only these subjects
    #[arg(long, value_delimiter = ',', default_value = "direct,floor,nginx,keystore")]
    subjects: Vec<String>,
}

/// A subject of the comparison.
#[derive(Clone)]
struct Contender {
    name: String,
    addr: SocketAddr,
    path: &'static str,
    bearer: String,
    start: Start,
}

/// How it is started again.
#[derive(Clone)]
struct Start {
    program: PathBuf,
    arguments: Vec<String>,
}

/// What one round says of a subject.
#[derive(Default, Clone, Copy)]
struct Round {
    cpu_us: f64,
    per_second: f64,
    stream_cpu_us: f64,
    p50_us: f64,
    p99_us: f64,
    stream_first_byte_us: f64,
}

/// What is measured once.
#[derive(Default, Clone, Copy)]
struct Once {
    idle_mib: f64,
    loaded_mib: f64,
    cold_start_ms: f64,
    system_calls: Option<f64>,
    allocations: Option<f64>,
}

struct Bench {
    arguments: Arguments,
    folder: tempfile::TempDir,
    upstream: SocketAddr,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let folder = tempfile::tempdir()?;
    let upstream = free_addr()?;
    let bench = Bench {
        arguments,
        folder,
        upstream,
    };
    let mut fake = Command::new(bench.program("fake-upstream"));
    fake.args(["--fixed", "--addr", &upstream.to_string()]);
    let _fake = Subject::start(&mut fake, &bench.log("upstream"))?;
    await_listener(upstream)?;
    let contenders = bench.contenders()?;
    let mut rounds = vec![Vec::new(); contenders.len()];
    let mut once = vec![Once::default(); contenders.len()];
    let mut running = Vec::new();
    for (contender, once) in contenders.iter().zip(&mut once) {
        let (subject, once_started) = bench.cold(contender)?;
        *once = once_started;
        running.push(subject);
    }
    for round in 0..bench.arguments.rounds {
        for ((contender, subject), rounds) in contenders.iter().zip(&running).zip(&mut rounds) {
            eprintln!("round {}: {}", round + 1, contender.name);
            rounds.push(bench.round(contender, subject.as_ref())?);
        }
    }
    for ((contender, subject), once) in contenders.iter().zip(running).zip(&mut once) {
        let Some(subject) = subject else { continue };
        eprintln!("once: {}", contender.name);
        once.loaded_mib = subject.resident_mib()?;
        once.system_calls = bench.system_calls(contender, &subject)?;
        subject.stop()?;
        once.allocations = bench.allocations(contender)?;
    }
    table(&contenders, &rounds, &once);
    Ok(())
}

impl Bench {
    fn program(&self, name: &str) -> PathBuf {
        self.arguments.programs.join(name)
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.log"))
    }

    fn contenders(&self) -> anyhow::Result<Vec<Contender>> {
        let mut contenders = Vec::new();
        for name in &self.arguments.subjects {
            contenders.push(match name.as_str() {
                "direct" => self.direct(),
                "floor" => self.floor()?,
                "nginx" => self.nginx()?,
                "keystore" => self.keystore("keystore", &self.arguments.programs)?,
                "before" => {
                    let programs = self.arguments.before.as_ref();
                    self.keystore("before", programs.context("--before is missing")?)?
                }
                other => anyhow::bail!("unknown subject {other}"),
            });
        }
        Ok(contenders)
    }

    fn direct(&self) -> Contender {
        Contender {
            name: "direct".to_owned(),
            addr: self.upstream,
            path: "/v1/chat/completions",
            bearer: KEY.to_owned(),
            start: Start {
                program: PathBuf::new(),
                arguments: Vec::new(),
            },
        }
    }

    fn floor(&self) -> anyhow::Result<Contender> {
        let addr = free_addr()?;
        let arguments = [
            "--addr",
            &addr.to_string(),
            "--upstream",
            &self.upstream.to_string(),
        ]
        .map(str::to_owned);
        Ok(Contender {
            name: "bare hyper (floor)".to_owned(),
            addr,
            start: Start {
                program: self.program("floor"),
                arguments: arguments.into(),
            },
            ..self.direct()
        })
    }

    fn nginx(&self) -> anyhow::Result<Contender> {
        let addr = free_addr()?;
        let folder = self.folder.path().join("nginx");
        std::fs::create_dir_all(&folder)?;
        let config = format!(
            "daemon off; worker_processes 2; pid {folder}/pid; error_log {folder}/error.log;\n\
             events {{ worker_connections 1024; }}\n\
             http {{ access_log off; keepalive_requests 1000000000; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;\n\
             fastcgi_temp_path {folder}/fastcgi; scgi_temp_path {folder}/scgi; uwsgi_temp_path {folder}/uwsgi;\n\
             upstream vendor {{ server {upstream}; keepalive 64; keepalive_requests 1000000000; }}\n\
             server {{ listen {addr}; location / {{ proxy_pass http://vendor; proxy_http_version 1.1; proxy_buffering off;\n\
             proxy_set_header Connection \"\"; proxy_set_header Authorization \"Bearer {KEY}\"; }} }} }}\n",
            folder = folder.display(),
            upstream = self.upstream,
        );
        let path = folder.join("nginx.conf");
        std::fs::write(&path, config)?;
        let arguments = [
            "-c",
            &path.display().to_string(),
            "-p",
            &folder.display().to_string(),
        ]
        .map(str::to_owned);
        Ok(Contender {
            name: "nginx".to_owned(),
            addr,
            start: Start {
                program: PathBuf::from("nginx"),
                arguments: arguments.into(),
            },
            ..self.direct()
        })
    }

    /// `ks dev` on SQLite on the disk, set up once: a stored key that is sent to the fake upstream, and an agent with a budget
    /// and rates.
    fn keystore(&self, name: &str, programs: &Path) -> anyhow::Result<Contender> {
        let (addr, api) = (free_addr()?, free_addr()?);
        let data = self.folder.path().join(name);
        let arguments = [
            "dev",
            "--data-dir",
            &data.display().to_string(),
            "--proxy-addr",
            &addr.to_string(),
            "--api-addr",
            &api.to_string(),
            "--allow-upstream",
            &self.upstream.to_string(),
        ]
        .map(str::to_owned);
        let program = programs.join("ks");
        let start = Start {
            program: program.clone(),
            arguments: arguments.into(),
        };
        let server = Subject::start(&mut start.command(), &self.log(name))?;
        await_listener(api)?;
        let dev = data.join("dev.json");
        let deadline = Instant::now() + Duration::from_secs(20);
        while !dev.exists() {
            ensure!(Instant::now() < deadline, "`ks dev` was not set up");
            std::thread::sleep(Duration::from_millis(10));
        }
        let dev: serde_json::Value = serde_json::from_slice(&std::fs::read(&dev)?)?;
        let key = dev["apiKey"].as_str().context("dev.json")?;
        let base = format!("http://{}", self.upstream);
        let ks = |words: &[&str]| -> anyhow::Result<String> {
            let api = format!("http://{api}");
            let mut command = Command::new(&program);
            command
                .args(words)
                .args(["--api-url", &api])
                .env("KS_API_KEY", key);
            let output = command.stdin(Stdio::null()).output()?;
            ensure!(
                output.status.success(),
                "ks {}: {}",
                words.join(" "),
                String::from_utf8_lossy(&output.stderr)
            );
            Ok(String::from_utf8(output.stdout)?.trim().to_owned())
        };
        ks(&[
            "provider",
            "add",
            "openai",
            "--base-url",
            &base,
            "--key",
            KEY,
            "--no-verify",
        ])?;
        let token = ks(&[
            "token",
            "create",
            "--name",
            "bench",
            "--provider",
            "openai",
            "--rpm",
            "1000000",
            "--rpd",
            "1000000",
            "--budget",
            "100000000",
        ])?;
        server.stop()?;
        Ok(Contender {
            name: name.to_owned(),
            addr,
            path: "/v1/openai/v1/chat/completions",
            bearer: token,
            start,
        })
    }

    /// Starts a subject; the time from its start to its first answer, and what it takes at rest before any load.
    fn cold(&self, contender: &Contender) -> anyhow::Result<(Option<Subject>, Once)> {
        if contender.start.program.as_os_str().is_empty() {
            return Ok((None, Once::default()));
        }
        let begin = Instant::now();
        let subject = Subject::start(&mut contender.start.command(), &self.log("subjects"))?;
        await_listener(contender.addr)?;
        contender.send(false, 1, 1)?;
        let cold_start_ms = begin.elapsed().as_secs_f64() * 1e3;
        subject.cpu_us_at_rest()?;
        let once = Once {
            idle_mib: subject.resident_mib()?,
            cold_start_ms,
            ..Once::default()
        };
        Ok((Some(subject), once))
    }

    fn round(&self, contender: &Contender, subject: Option<&Subject>) -> anyhow::Result<Round> {
        let requests = self.arguments.requests;
        let streams = requests / 10;
        // Connections and caches are there before anything is counted.
        contender.send(false, 32, 640)?;
        let (buffered, cpu_us) = per_request(subject, || contender.send(false, 32, requests))?;
        let (_, stream_cpu_us) = per_request(subject, || contender.send(true, 32, streams))?;
        let alone = contender.send(false, 1, streams)?;
        let stream_alone = contender.send(true, 1, streams / 4)?;
        Ok(Round {
            cpu_us,
            per_second: buffered.per_second,
            stream_cpu_us,
            p50_us: alone.p50_us,
            p99_us: alone.p99_us,
            stream_first_byte_us: stream_alone.first_byte_p50_us,
        })
    }

    /// System calls a request under load, counted by the kernel's own trace point; `None` where `perf` is not to be had.
    fn system_calls(&self, contender: &Contender, subject: &Subject) -> anyhow::Result<Option<f64>> {
        let report = self.folder.path().join("system-calls");
        let pids: Vec<String> = subject.pids().iter().map(u32::to_string).collect();
        let mut perf = Command::new("perf");
        perf.args([
            "stat",
            "-x,",
            "-e",
            "raw_syscalls:sys_enter",
            "-p",
            &pids.join(","),
            "-o",
        ])
        .arg(&report);
        let Ok(mut perf) = perf.stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
            return Ok(None);
        };
        std::thread::sleep(Duration::from_millis(300));
        let requests = contender.send(false, 32, self.arguments.requests)?.requests;
        if let Some(pid) = i32::try_from(perf.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw)
        {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        }
        perf.wait()?;
        let report = std::fs::read_to_string(report).unwrap_or_default();
        let calls = report.lines().find_map(|line| {
            line.contains("sys_enter")
                .then(|| line.split(',').next()?.parse::<f64>().ok())?
        });
        Ok(calls.map(|calls| calls / requests as f64))
    }

    /// Allocations a request under load, in a process of its own with the counting library.
    fn allocations(&self, contender: &Contender) -> anyhow::Result<Option<f64>> {
        let Some(library) = &self.arguments.alloc_count else {
            return Ok(None);
        };
        let counter = self.folder.path().join("allocations");
        File::create(&counter)?.set_len(8)?;
        let mut command = contender.start.command();
        command
            .env("LD_PRELOAD", std::path::absolute(library)?)
            .env("KS_BENCH_ALLOCATIONS", &counter);
        let subject = Subject::start(&mut command, &self.log("subjects"))?;
        await_listener(contender.addr)?;
        contender.send(false, 32, 640)?;
        subject.cpu_us_at_rest()?;
        let before = read_counter(&counter)?;
        let requests = contender.send(false, 32, self.arguments.requests)?.requests;
        subject.cpu_us_at_rest()?;
        let counted = read_counter(&counter)?.saturating_sub(before);
        subject.stop()?;
        Ok((counted > 0).then(|| counted as f64 / requests as f64))
    }
}

impl Start {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command
    }
}

impl Contender {
    /// Sends a load from a thread of its own.
    fn send(&self, stream: bool, connections: usize, requests: usize) -> anyhow::Result<Outcome> {
        let load = Load {
            addr: self.addr,
            path: self.path.to_owned(),
            bearer: self.bearer.clone(),
            stream,
            connections,
            requests,
        };
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(load.run())
            .with_context(|| self.name.clone())
    }
}

/// Runs a load and gives with its outcome the CPU time that the subject took for each request, work behind the answers included.
fn per_request(
    subject: Option<&Subject>,
    load: impl FnOnce() -> anyhow::Result<Outcome>,
) -> anyhow::Result<(Outcome, f64)> {
    let Some(subject) = subject else {
        return Ok((load()?, 0.0));
    };
    let before = subject.cpu_us_at_rest()?;
    let outcome = load()?;
    let after = subject.cpu_us_at_rest()?;
    Ok((outcome, (after - before) / outcome.requests as f64))
}

fn read_counter(path: &Path) -> anyhow::Result<u64> {
    let bytes = std::fs::read(path)?;
    Ok(u64::from_ne_bytes(
        bytes.get(..8).context("the counter")?.try_into()?,
    ))
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn medians(rounds: &[Round]) -> Round {
    let of = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure));
    Round {
        cpu_us: of(|round| round.cpu_us),
        per_second: of(|round| round.per_second),
        stream_cpu_us: of(|round| round.stream_cpu_us),
        p50_us: of(|round| round.p50_us),
        p99_us: of(|round| round.p99_us),
        stream_first_byte_us: of(|round| round.stream_first_byte_us),
    }
}

fn table(contenders: &[Contender], rounds: &[Vec<Round>], once: &[Once]) {
    println!(
        "| subject | CPU us/request, 32 conns | x floor | requests/s | CPU us per 50-chunk stream | added p50 us, 1 conn | added p99 us | \
         first streamed byte us | system calls | allocations | idle MiB | MiB after load | cold start ms |"
    );
    println!("|{}", " --- |".repeat(13));
    let position = |name: &str| {
        contenders
            .iter()
            .position(|contender| contender.name.starts_with(name))
    };
    let direct = position("direct").map_or_else(Round::default, |at| medians(&rounds[at]));
    let floor = position("bare").map(|at| &rounds[at]);
    for ((contender, rounds), once) in contenders.iter().zip(rounds).zip(once) {
        let round = medians(rounds);
        let is_direct = contender.name == "direct";
        // Of what was measured one after the other: a machine that is slow for a while is so for both.
        let times_floor = floor.filter(|_| !is_direct).map(|floor| {
            let pairs = rounds.iter().zip(floor);
            median(pairs.map(|(round, floor)| round.cpu_us / floor.cpu_us))
        });
        let optional =
            |value: Option<f64>| value.map_or_else(|| "--".to_owned(), |value| format!("{value:.1}"));
        let of_process = |value: f64, digits: usize| {
            if is_direct {
                "--".to_owned()
            } else {
                format!("{value:.digits$}")
            }
        };
        let row = [
            contender.name.clone(),
            of_process(round.cpu_us, 1),
            times_floor.map_or_else(|| "--".to_owned(), |times| format!("{times:.2}")),
            format!("{:.0}", round.per_second),
            of_process(round.stream_cpu_us, 0),
            if is_direct {
                format!("({:.0})", round.p50_us)
            } else {
                format!("{:.0}", round.p50_us - direct.p50_us)
            },
            if is_direct {
                format!("({:.0})", round.p99_us)
            } else {
                format!("{:.0}", round.p99_us - direct.p99_us)
            },
            format!("{:.0}", round.stream_first_byte_us),
            optional(once.system_calls),
            optional(once.allocations),
            of_process(once.idle_mib, 1),
            of_process(once.loaded_mib, 1),
            of_process(once.cold_start_ms, 0),
        ];
        println!("| {} |", row.join(" | "));
    }
}
