//! Backups of a SQLite database and their way back. Of PostgreSQL its own tools make backups; they are checked here all the same.
//!
//! A backup is a database in one file, complete at one instant, with its SHA-256 beside it. The root key is not in it. A restore does
//! not say that it is done before the copy was opened as a server opens it, and is consistent.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use keystore_core::ids::OrgId;
use keystore_core::{Clock, hex};
use keystore_store::audit::NewEntry;
use keystore_store::{Options, Store, backup as rows, deployment};
use keystore_vault::SystemIds;
use keystore_vault::commitment::{Sha256, commitment, salt};
use serde_json::json;

use crate::audit::Verifier;
use crate::audit::check::{Report, check};
use crate::audit::offline::{self, Unusable};
use crate::clock::SystemClock;

/// Bytes that are copied at a time.
const PIECE: usize = 1 << 20;

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal, as in the file beside it.
    pub sha256: String,
}

/// What a checked database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What was found of its audit log.
    pub audit: Report,
    /// What is wrong; empty where nothing is.
    pub problems: Vec<String>,
    /// Calls that were running at the instant of the backup, and were settled at what was held for them.
    pub crashed: u64,
}

/// What stands beside a file under its whole name with this behind it.
fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Where the checksum of a backup stands: `sha256sum -c` reads it.
fn checksum(file: &Path) -> PathBuf {
    beside(file, ".sha256")
}

/// Copies the database at `url` into the new file `out`, while a server uses it.
///
/// # Errors
/// [`Unusable`], and others in words for the operator. A file that was begun here is removed; one that another backup has begun is not.
pub async fn backup(url: &str, out: &Path, progress: &mut dyn FnMut(u64, u64)) -> anyhow::Result<Backup> {
    ensure!(
        url.starts_with("sqlite:"),
        "a PostgreSQL database is backed up with its own tools: `pg_dump --format=custom` makes a copy of one instant; see \
         docs/operations.md"
    );
    let partial = beside(out, ".partial");
    begin(&partial)?;
    let made = make(url, out, &partial, progress).await;
    if made.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    made
}

/// Makes the file that a backup is written to: before it, so that nobody else reads it meanwhile, and no other backup writes it.
fn begin(partial: &Path) -> anyhow::Result<()> {
    match private().create_new(true).open(partial) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => bail!(
            "{0} exists: another backup to the same file is running, or one was killed; in the second case remove it: `rm {0}`",
            partial.display()
        ),
        made => {
            made.with_context(|| partial.display().to_string())?;
            Ok(())
        }
    }
}

async fn make(
    url: &str,
    out: &Path,
    partial: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> anyhow::Result<Backup> {
    // Whoever else makes a backup of this name has the partial file first.
    ensure!(
        !out.exists(),
        "{} exists; a backup overwrites nothing",
        out.display()
    );
    rows::copy(url, partial)
        .await
        .map_err(|error| Unusable::new(url, "copied", error))?;
    let bytes = std::fs::metadata(partial)?.len();
    let sha256 = digest(partial, bytes, progress)?;
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    let mut file = private().create(true).truncate(true).open(checksum(out))?;
    writeln!(file, "{sha256}  {name}")?;
    file.sync_all()?;
    std::fs::File::open(partial)?.sync_all()?;
    std::fs::rename(partial, out)?;
    sync_folder(out)?;
    Ok(Backup { bytes, sha256 })
}

/// Brings a backup back as the new database `to`, which must not exist; checks everything before it stands there. With the key, and
/// checkpoints that were kept elsewhere, the audit log is checked against what was signed.
///
/// # Errors
/// In words for the operator; then `to` does not exist.
pub async fn restore(
    file: &Path,
    to: &Path,
    key: Option<&Verifier>,
    outside: &[String],
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> anyhow::Result<Checked> {
    ensure!(
        !to.exists(),
        "{} exists; a restore overwrites nothing",
        to.display()
    );
    let folder = beside(to, ".restoring");
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(&folder)
        .with_context(|| format!("{} cannot be made; is another restore running?", folder.display()))?;
    let restored = bring_back(file, to, &folder, (key, outside), progress).await;
    let _ = std::fs::remove_dir_all(&folder);
    restored
}

async fn bring_back(
    file: &Path,
    to: &Path,
    folder: &Path,
    (key, outside): (Option<&Verifier>, &[String]),
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> anyhow::Result<Checked> {
    let expected = std::fs::read_to_string(checksum(file)).with_context(|| {
        format!(
            "{} cannot be read: without it nobody knows whether the backup is whole",
            checksum(file).display()
        )
    })?;
    let expected = expected.split_whitespace().next().unwrap_or_default().to_owned();
    let copy = folder.join("keystore.db");
    copy_file(file, &copy, progress)?;
    let bytes = std::fs::metadata(&copy)?.len();
    let found = digest(&copy, bytes, progress)?;
    ensure!(
        found == expected,
        "the backup is damaged: its SHA-256 is {found}, and was {expected}"
    );
    let url = format!("sqlite://{}", copy.display());
    let crashed = recover(&url, folder, file).await?;
    let checked = checked(&url, key, outside, crashed, progress).await?;
    if !checked.problems.is_empty() {
        bail!("the backup cannot be relied on: {}", checked.problems.join("; "));
    }
    std::fs::File::open(&copy)?.sync_all()?;
    // A link refuses where something stands, as a renaming does not.
    std::fs::hard_link(&copy, to).with_context(|| format!("{} cannot be made", to.display()))?;
    sync_folder(to)?;
    Ok(checked)
}

/// Opens it as a server does, which settles what was running, and notes in the audit log where it comes from.
async fn recover(url: &str, folder: &Path, file: &Path) -> anyhow::Result<u64> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ids = Arc::new(SystemIds::new(Arc::clone(&clock)));
    let options = Options {
        spool: Some(folder.join("spool.bin")),
        spool_bytes: 1 << 16,
        ..Options::default()
    };
    let (store, recovery) = Store::open(url, options, clock, ids).await?;
    let noted = note(&store, file, recovery.crashed).await;
    store.close().await;
    noted?;
    Ok(recovery.crashed)
}

async fn note(store: &Store, file: &Path, crashed: u64) -> anyhow::Result<()> {
    let found = deployment::get(&mut store.read().await?).await?;
    let deployment = found.context("no server was ever started on this database")?.id;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let payload =
        json!({"before": null, "after": {"backup": name, "settled": crashed}, "salt": salt()?}).to_string();
    let mut tx = store.begin().await?;
    tx.audit(NewEntry {
        org: OrgId::new(deployment.uuid()),
        action: "restore_database",
        actor: "system".to_owned(),
        subject: deployment.to_string(),
        project: None,
        request: None,
        payload_sha256: commitment(payload.as_bytes()),
        payload,
    });
    Ok(tx.commit().await?)
}

/// Checks a database that no server uses: that it can be read, that its audit log is whole, that its ledger sums to zero, that no call
/// is open.
///
/// # Errors
/// [`Unusable`], or the database cannot be read. What is wrong with it stands in the answer.
pub async fn check_database(
    url: &str,
    key: Option<&Verifier>,
    outside: &[String],
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> anyhow::Result<Checked> {
    checked(url, key, outside, 0, progress).await
}

async fn checked(
    url: &str,
    key: Option<&Verifier>,
    outside: &[String],
    crashed: u64,
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> anyhow::Result<Checked> {
    let look = offline::open(url).await?;
    let mut conn = look.read().await?;
    let mut problems = rows::inconsistencies(&mut conn).await?;
    let audit = check(&mut conn, key, outside, progress).await?;
    drop(conn);
    look.close().await;
    problems.extend(
        audit
            .problem
            .as_ref()
            .map(|problem| format!("the audit log is wrong: {problem}")),
    );
    Ok(Checked {
        audit,
        problems,
        crashed,
    })
}

fn private() -> std::fs::OpenOptions {
    let mut options = std::fs::File::options();
    options.write(true).mode(0o600);
    options
}

fn copy_file(from: &Path, to: &Path, progress: &mut (dyn FnMut(u64, u64) + Send)) -> anyhow::Result<()> {
    let mut source =
        std::fs::File::open(from).with_context(|| format!("{} cannot be read", from.display()))?;
    let total = source.metadata()?.len();
    let mut target = private().create_new(true).open(to)?;
    let (mut piece, mut done) = (vec![0; PIECE], 0);
    loop {
        let count = source.read(&mut piece)?;
        if count == 0 {
            return Ok(());
        }
        target.write_all(&piece[..count])?;
        done += count as u64;
        progress(done, total);
    }
}

fn digest(file: &Path, total: u64, progress: &mut dyn FnMut(u64, u64)) -> anyhow::Result<String> {
    let mut source = std::fs::File::open(file)?;
    let (mut sha, mut piece, mut done) = (Sha256::default(), vec![0; PIECE], 0);
    loop {
        let count = source.read(&mut piece)?;
        if count == 0 {
            return Ok(hex(&sha.finish()));
        }
        sha.update(&piece[..count]);
        done += count as u64;
        progress(done, total);
    }
}

fn sync_folder(file: &Path) -> anyhow::Result<()> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    Ok(std::fs::File::open(folder)?.sync_all()?)
}
