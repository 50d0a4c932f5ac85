//! A PostgreSQL cluster of the tests' own: made in a temporary folder, reachable over a Unix socket only, gone with the
//! test process.
//!
//! It needs the server's programs on the machine (Debian: `apt-get install postgresql`), not a running server. PostgreSQL
//! refuses to run as root, so for root it runs as the user `postgres`. It is as fast as unsafe: nothing is synced.

use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A running cluster. Dropping it stops it; so does the end of the process, however it comes.
pub struct PgCluster {
    /// A shell that waits for the end of its input, then kills the server and removes the folder. The pipe closes with this
    /// process, so nothing is left behind even when it is killed.
    watchdog: Child,
    folder: PathBuf,
    programs: PathBuf,
    databases: AtomicU32,
}

/// How long the server may take to answer.
const START: Duration = Duration::from_secs(30);

const WATCHDOG: &str = r#"
folder=$1; shift
"$@" >"$folder/log" 2>&1 </dev/null &
server=$!
read -r _
kill -KILL "$server"
wait "$server"
rm -rf "$folder"
"#;

static SHARED: OnceLock<Result<PgCluster, String>> = OnceLock::new();

impl PgCluster {
    /// Makes and starts a cluster: a second for the first on a machine, a fraction for the following.
    ///
    /// # Errors
    ///
    /// Says what is missing or what the server's log says.
    pub fn start() -> io::Result<Self> {
        let programs = programs()?;
        let folder = tempfile::Builder::new().prefix("keystore-pg-").tempdir()?.keep();
        open_to_all(&folder)?;
        let data = folder.join("data");
        let template = template(&programs)?;
        run(as_server_user("cp").arg("-a").arg(&template).arg(&data))?;
        let mut server = as_server_user(&programs.join("postgres").display().to_string());
        server.arg("-D").arg(&data).arg("-k").arg(&folder);
        for setting in [
            "listen_addresses=",
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
            "max_connections=300",
            "shared_buffers=32MB",
            "autovacuum=off",
        ] {
            server.arg("-c").arg(setting);
        }
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "keystore-pg"])
            .arg(&folder)
            .arg(server.get_program())
            .args(server.get_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let cluster = Self {
            watchdog,
            folder,
            programs,
            databases: AtomicU32::new(0),
        };
        cluster.wait_until_ready()?;
        Ok(cluster)
    }

    fn wait_until_ready(&self) -> io::Result<()> {
        let begun = Instant::now();
        while self.psql("postgres", "SELECT 1").is_err() {
            if begun.elapsed() > START {
                let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                return Err(io::Error::other(format!("postgres did not start:\n{log}")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Runs one statement, as the superuser; gives what it prints.
    ///
    /// # Errors
    ///
    /// What `psql` says.
    pub fn psql(&self, database: &str, statement: &str) -> io::Result<String> {
        run(Command::new(self.programs.join("psql"))
            .args([
                "--no-psqlrc",
                "--tuples-only",
                "--no-align",
                "--username=postgres",
                "--set=ON_ERROR_STOP=1",
            ])
            .arg(format!("--host={}", self.folder.display()))
            .args(["--dbname", database, "--command", statement]))
    }

    /// Makes an empty database; gives its URL.
    ///
    /// # Errors
    ///
    /// What `psql` says.
    pub fn database(&self) -> io::Result<String> {
        let name = format!("t{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.psql("postgres", &format!("CREATE DATABASE {name}"))?;
        let socket = self.folder.display().to_string().replace('/', "%2F");
        Ok(format!("postgres://postgres@{socket}/{name}?sslmode=disable"))
    }

    /// An empty database in the one cluster of this process, which the first call starts.
    ///
    /// # Errors
    ///
    /// As [`PgCluster::start`].
    pub fn shared_database() -> io::Result<String> {
        match SHARED.get_or_init(|| Self::start().map_err(|error| error.to_string())) {
            Ok(cluster) => cluster.database(),
            Err(error) => Err(io::Error::other(error.clone())),
        }
    }
}

impl Drop for PgCluster {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}

/// A program of PostgreSQL, such as `pg_dump`.
///
/// # Errors
///
/// There are none on this machine.
pub fn program(name: &str) -> io::Result<PathBuf> {
    Ok(programs()?.join(name))
}

/// The folder of the newest server programs on this machine.
fn programs() -> io::Result<PathBuf> {
    let missing = || {
        io::Error::new(
            io::ErrorKind::NotFound,
            "no PostgreSQL server under /usr/lib/postgresql: apt-get install postgresql",
        )
    };
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .map_err(|_| missing())?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = path.file_name()?.to_str()?.parse().ok()?;
            path.join("bin/postgres")
                .exists()
                .then(|| (version, path.join("bin")))
        })
        .collect();
    found.sort();
    found.pop().map(|(_, programs)| programs).ok_or_else(missing)
}

/// A new cluster's files, made once on a machine and copied from there.
fn template(programs: &Path) -> io::Result<PathBuf> {
    let owner = std::fs::metadata("/proc/self")?.uid();
    let version = programs
        .components()
        .rev()
        .nth(1)
        .map(|part| part.as_os_str().to_owned());
    let version = version.unwrap_or_default();
    let name = format!("keystore-pg-template-{owner}-{}", version.display());
    let template = std::env::temp_dir().join(name);
    if template.join("data/PG_VERSION").exists() {
        return Ok(template.join("data"));
    }
    let making = tempfile::Builder::new().prefix("keystore-pg-making-").tempdir()?;
    open_to_all(making.path())?;
    run(as_server_user(&programs.join("initdb").display().to_string())
        .arg("-D")
        .arg(making.path().join("data"))
        .args([
            "--username=postgres",
            "--auth=trust",
            "--no-sync",
            "--no-locale",
            "--encoding=UTF8",
        ])
        .arg("--wal-segsize=1"))?;
    // Whoever comes first puts it in place; the files of a slower one are removed.
    match std::fs::rename(making.path(), &template) {
        Ok(()) => {
            let _ = making.keep();
        }
        Err(error) if !template.join("data/PG_VERSION").exists() => return Err(error),
        Err(_) => {}
    }
    Ok(template.join("data"))
}

/// The server's user must get in, whoever runs the tests.
fn open_to_all(folder: &Path) -> io::Result<()> {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777))
}

/// A command that runs as the tests' user, or as `postgres` when that is root.
fn as_server_user(program: &str) -> Command {
    let root = std::fs::metadata("/proc/self").is_ok_and(|found| found.uid() == 0);
    if !root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args([
        "--reuid=postgres",
        "--regid=postgres",
        "--clear-groups",
        "--",
        program,
    ]);
    command
}

fn run(command: &mut Command) -> io::Result<String> {
    let output = command.current_dir("/").stdin(Stdio::null()).output()?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        false => Err(io::Error::other(format!(
            "{}: {}",
            command.get_program().display(),
            String::from_utf8_lossy(&output.stderr).trim()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_answers_and_leaves_nothing_behind() {
        let cluster = PgCluster::start().unwrap();
        let (one, two) = (cluster.database().unwrap(), cluster.database().unwrap());
        assert_ne!(one, two);
        assert_eq!(cluster.psql("t1", "SELECT 6 * 7").unwrap(), "42");
        let folder = cluster.folder.clone();
        drop(cluster);
        assert!(!folder.exists());
    }
}
