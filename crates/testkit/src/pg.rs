//! A PostgreSQL cluster of the tests' own: made in a temporary folder, reachable over a Unix socket only, gone with the
//! test process.
//!
//! It needs the server's programs on the machine (Debian: `apt-get install postgresql`), not a running server. PostgreSQL
//! refuses to run as root, so for root it runs as the user `postgres`. It is as fast as unsafe: nothing is synced.

use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;

/// A running cluster. Dropping it stops it; so does the end of the process, however it comes.
pub struct PgCluster {
    /// A shell that waits for the end of its input, then stops the server and removes the folder. The pipe closes with this
    /// process, so nothing is left behind even when it is killed.
    watchdog: Child,
    folder: PathBuf,
    /// Locked for as long as this process or the watchdog lives.
    _owner: File,
    programs: PathBuf,
    databases: AtomicU32,
    /// The databases that nobody needs any more.
    ended: Mutex<Vec<String>>,
}

/// A database of the shared cluster, for as long as this lives.
pub struct Database {
    cluster: &'static PgCluster,
    name: String,
}

/// How long the server may take to answer.
const START: Duration = Duration::from_secs(30);

/// What interrupts the tests must not interrupt the shell. Killed at once, the server would leave shared memory behind.
const WATCHDOG: &str = r#"
trap '' INT TERM HUP
folder=$1; shift
"$@" >"$folder/log" 2>&1 </dev/null &
server=$!
read -r _
kill -QUIT "$server"
wait "$server"
rm -rf "$folder"
"#;

/// How the folder of a cluster begins, and the file in it that is locked.
const PREFIX: &str = "keystore-pg-";
const OWNER: &str = "owner";

static SHARED: OnceLock<Result<PgCluster, String>> = OnceLock::new();

/// The database of the shared cluster that others are copies of.
static ORIGINAL: OnceCell<String> = OnceCell::const_new();

impl PgCluster {
    /// Makes and starts a cluster: a second for the first on a machine, a fraction for the following.
    ///
    /// # Errors
    ///
    /// Says what is missing or what the server's log says.
    pub fn start() -> io::Result<Self> {
        let programs = programs()?;
        remove_orphans();
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir()?.keep();
        open_to_all(&folder)?;
        let owner = owned(&folder)?;
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
            // It prints nothing; the server, which it starts, does not inherit this.
            .stdout(owner.try_clone()?)
            .stderr(Stdio::null())
            // An interrupt of the tests is sent to their group.
            .process_group(0)
            .spawn()?;
        let cluster = Self {
            watchdog,
            folder,
            _owner: owner,
            programs,
            databases: AtomicU32::new(0),
            ended: Mutex::default(),
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
        self.psql_all(database, &[statement.to_owned()])
    }

    /// Each statement in a transaction of its own.
    fn psql_all(&self, database: &str, statements: &[String]) -> io::Result<String> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args([
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "--username=postgres",
            "--set=ON_ERROR_STOP=1",
        ]);
        psql.arg(format!("--host={}", self.folder.display()));
        psql.args(["--dbname", database]);
        for statement in statements {
            psql.args(["--command", statement]);
        }
        run(&mut psql)
    }

    /// Makes an empty database; gives its URL.
    ///
    /// # Errors
    ///
    /// What `psql` says.
    pub fn database(&self) -> io::Result<String> {
        Ok(self.url(&self.create("template1")?))
    }

    /// An empty database in the one cluster of this process, which the first call starts.
    ///
    /// # Errors
    ///
    /// As [`PgCluster::start`].
    pub fn shared_database() -> io::Result<String> {
        Self::shared()?.database()
    }

    /// A database in the one cluster of this process that holds what `fill` puts into an empty one: the first call does, and the others
    /// get copies, which take a tenth of the time that migrations do. `fill` must leave no connection open.
    ///
    /// # Errors
    ///
    /// As [`PgCluster::start`].
    pub async fn shared_copy(fill: impl AsyncFnOnce(&str)) -> io::Result<Database> {
        let cluster = Self::shared()?;
        let original = ORIGINAL.get_or_try_init(async || {
            let name = cluster.create("template1")?;
            fill(&cluster.url(&name)).await;
            io::Result::Ok(name)
        });
        let name = cluster.create(original.await?)?;
        Ok(Database { cluster, name })
    }

    fn shared() -> io::Result<&'static Self> {
        let shared = SHARED.get_or_init(|| Self::start().map_err(|error| error.to_string()));
        shared.as_ref().map_err(|error| io::Error::other(error.clone()))
    }

    /// Makes a copy of a database; gives its name. What has ended goes first: a call of `psql` takes as long as what it does.
    fn create(&self, original: &str) -> io::Result<String> {
        let name = format!("t{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let ended = std::mem::take(&mut *self.ended.lock().unwrap_or_else(PoisonError::into_inner));
        let drops = ended
            .iter()
            .map(|name| format!("DROP DATABASE {name} WITH (FORCE)"));
        let create = format!("CREATE DATABASE {name} TEMPLATE {original} STRATEGY FILE_COPY");
        self.psql_all("postgres", &drops.chain([create]).collect::<Vec<_>>())?;
        Ok(name)
    }

    fn url(&self, database: &str) -> String {
        let socket = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{socket}/{database}?sslmode=disable")
    }
}

impl Database {
    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        self.cluster.url(&self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let mut ended = self.cluster.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.push(std::mem::take(&mut self.name));
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

/// Makes the file in a cluster's folder that says whose it is: it is locked for as long as a copy of this one is open. It is locked before it
/// has its name, so that nobody finds it free earlier.
fn owned(folder: &Path) -> io::Result<File> {
    let (file, name) = (File::create_new(folder.join("new"))?, folder.join(OWNER));
    file.lock()?;
    std::fs::rename(folder.join("new"), name)?;
    Ok(file)
}

/// Removes what clusters left behind whose watchdogs were killed, too. A server that still runs there notices, and ends.
fn remove_orphans() {
    let folders = std::fs::read_dir(std::env::temp_dir()).into_iter().flatten();
    for folder in folders.flatten() {
        if !folder.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        // One without such a file is no cluster's, or has just been made. The lock is held while it is removed.
        let owner = File::open(folder.path().join(OWNER));
        if owner.is_ok_and(|owner| owner.try_lock().is_ok()) {
            let _ = std::fs::remove_dir_all(folder.path());
        }
    }
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

    #[test]
    fn a_cluster_is_removed_once_nobody_owns_it() {
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir().unwrap();
        remove_orphans();
        assert!(folder.path().exists(), "it has just been made");
        let owner = owned(folder.path()).unwrap();
        remove_orphans();
        assert!(folder.path().exists(), "it is owned");
        drop(owner);
        remove_orphans();
        assert!(!folder.path().exists());
    }

    #[tokio::test]
    async fn a_copy_holds_what_the_first_was_given_and_ends_alone() {
        let fill = async |url: &str| {
            let cluster = PgCluster::shared().unwrap();
            cluster.psql(url, "CREATE TABLE filled ()").unwrap();
        };
        let one = PgCluster::shared_copy(fill).await.unwrap();
        let two = PgCluster::shared_copy(async |_| panic!("a second time")).await;
        let (cluster, two) = (one.cluster, two.unwrap());
        let name = one.name.clone();
        drop(one);
        let _three = cluster.database().unwrap();
        assert!(cluster.psql(&name, "SELECT 1").is_err());
        assert_eq!(cluster.psql(&two.name, "SELECT * FROM filled").unwrap(), "");
    }
}
