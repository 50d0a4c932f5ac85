//! `ks kek`: the key-encryption keys of an organization.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use keystore_wire::keks::{
    DestroyKek, FinishImport, Generation, JobStep, KekImport, KekJob, KekStatus, RetireKek, SetCustomerKey,
    ShredKeks, Shredded,
};

use super::{Context, moment};
use crate::output::{advice, facts, table};
use crate::secret_input;

/// How often is asked how far a job is.
const ASK: Duration = Duration::from_millis(300);

/// `ks kek`.
#[derive(Subcommand)]
pub(crate) enum KekCommand {
    /// Show the keys, who holds the key above them, and what is being done to them
    #[command(after_help = "Examples:\n  ks kek status\n  ks kek status --output json")]
    Status,
    /// Make another key; what is sealed moves to it in the background, and everything is opened once
    #[command(after_help = "Examples:\n  ks kek rotate\n  ks kek rotate --wait")]
    Rotate(WaitArgs),
    /// Move what older keys hold to the active one, and open everything once
    #[command(after_help = "Example:\n  ks kek rewrap --wait")]
    Rewrap(WaitArgs),
    /// Open every stored version once, to see that it opens
    #[command(after_help = "Example:\n  ks kek verify --wait")]
    Verify(WaitArgs),
    /// End the use of an older key, once nothing is sealed under it and that was verified
    #[command(after_help = "Example:\n  ks kek retire 1")]
    Retire(GenerationArgs),
    /// Delete a retired key for good
    #[command(after_help = "Example:\n  ks kek destroy 1")]
    Destroy(DestroyArgs),
    /// Delete all keys: no stored credential of the organization can be opened any more
    #[command(
        after_help = "Example:\n  ks kek shred acme\n\nIt cannot be undone. Backups that were made before are not reached; the answer says what is true of them."
    )]
    Shred(ShredArgs),
    /// Name the organization's own key at a KMS; its keys are wrapped by that one, too
    #[command(
        after_help = "Examples:\n  ks kek customer-key aws:arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab\n  \
        ks kek customer-key gcp:projects/p/locations/europe-west3/keyRings/r/cryptoKeys/k\n  \
        ks kek customer-key azure:https://acme.vault.azure.net/keys/keystore\n  ks kek customer-key --remove"
    )]
    CustomerKey(CustomerKeyArgs),
    /// Bring a key of your own making, wrapped
    #[command(
        subcommand,
        after_help = "Examples:\n  ks kek import begin --public-key import.pem\n  ks kek import finish imp_01jd3w8f0qe7ys4c9p2m5n6r7t wrapped.bin"
    )]
    Import(ImportCommand),
}

/// Whether to wait.
#[derive(Args)]
pub(crate) struct WaitArgs {
    /// Wait until it is done, and show how far it is
    #[arg(long)]
    wait: bool,
}

/// A generation.
#[derive(Args)]
pub(crate) struct GenerationArgs {
    /// The key's number
    generation: u32,
}

/// `ks kek destroy`.
#[derive(Args)]
pub(crate) struct DestroyArgs {
    /// The key's number
    generation: u32,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// `ks kek shred`.
#[derive(Args)]
pub(crate) struct ShredArgs {
    /// The organization's slug, typed out
    org: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// `ks kek customer-key`.
#[derive(Args)]
pub(crate) struct CustomerKeyArgs {
    /// The key's name: aws:…, gcp:…, azure:… or vault:…
    #[arg(required_unless_present = "remove")]
    key: Option<String>,
    /// Use the deployment's root key alone
    #[arg(long, conflicts_with = "key")]
    remove: bool,
}

/// `ks kek import`.
#[derive(Subcommand)]
pub(crate) enum ImportCommand {
    /// Get a public key of one use, good for half an hour
    #[command(after_help = "Example:\n  ks kek import begin --public-key import.pem")]
    Begin(BeginArgs),
    /// Send the wrapped key in
    #[command(after_help = "Example:\n  openssl rand -out key.bin 32\n  \
        openssl pkeyutl -encrypt -pubin -inkey import.pem -in key.bin -out wrapped.bin \\\n    \
        -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256\n  \
        ks kek import finish imp_01jd3w8f0qe7ys4c9p2m5n6r7t wrapped.bin")]
    Finish(FinishArgs),
}

/// `ks kek import begin`.
#[derive(Args)]
pub(crate) struct BeginArgs {
    /// Where to write the public key; stdout when absent
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
}

/// `ks kek import finish`.
#[derive(Args)]
pub(crate) struct FinishArgs {
    /// The import's id
    import: String,
    /// The file with the wrapped key
    file: PathBuf,
}

/// Does what the command says.
pub(crate) async fn run(command: KekCommand, context: &Context<'_>) -> anyhow::Result<()> {
    let client = context.client;
    match command {
        KekCommand::Status => show(&client.get(&["kek"], &()).await?, context),
        KekCommand::Rotate(args) => begun("rotate", &args, context).await,
        KekCommand::Rewrap(args) => begun("rewrap", &args, context).await,
        KekCommand::Verify(args) => begun("verify", &args, context).await,
        KekCommand::Retire(args) => {
            let body = RetireKek {
                generation: args.generation,
            };
            show(&client.post(&["kek", "retire"], &body).await?, context)
        }
        KekCommand::Destroy(args) => {
            let number = args.generation;
            secret_input::confirm(&format!("Delete key {number} for good?"), args.yes)?;
            let body = DestroyKek {
                generation: number,
                confirm: number,
            };
            show(&client.post(&["kek", "destroy"], &body).await?, context)
        }
        KekCommand::Shred(args) => shred(args, context).await,
        KekCommand::CustomerKey(args) => {
            let body = SetCustomerKey { key: args.key };
            show(&client.post(&["kek", "customer-key"], &body).await?, context)
        }
        KekCommand::Import(ImportCommand::Begin(args)) => begin_import(args, context).await,
        KekCommand::Import(ImportCommand::Finish(args)) => {
            let wrapped = std::fs::read(&args.file)
                .with_context(|| format!("{} cannot be read", args.file.display()))?;
            let body = FinishImport {
                id: args.import.parse()?,
                wrapped_key: STANDARD.encode(wrapped),
            };
            show(&client.post(&["kek", "imports", "finish"], &body).await?, context)
        }
    }
}

/// Begins something that takes long, and waits for its end where that is asked for.
async fn begun(what: &str, args: &WaitArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let mut status: KekStatus = context.client.act(&["kek", what]).await?;
    if args.wait {
        let bar = context.output.progress();
        while let Some(job) = status.job.as_ref().filter(|job| job.ended_at.is_none()) {
            bar.at(job.done, job.total, words(job));
            tokio::time::sleep(ASK).await;
            status = context.client.get(&["kek"], &()).await?;
        }
        drop(bar);
    } else {
        context
            .output
            .note("It goes on by itself; `ks kek status` shows how far it is");
    }
    show(&status, context)?;
    match status
        .job
        .filter(|job| args.wait && (job.failed > 0 || job.problem.is_some()))
    {
        Some(job) => Err(advice(
            job.problem.unwrap_or_else(|| "not everything opens".to_owned()),
            "restore what does not open from a backup, or store it anew: `ks provider rotate`; then `ks kek rewrap`",
        )),
        None => Ok(()),
    }
}

fn words(job: &KekJob) -> String {
    let doing = match job.step {
        JobStep::Rewrap => "moving",
        JobStep::Verify => "verifying",
    };
    match &job.problem {
        Some(problem) => format!("{doing}; waits: {problem}"),
        None => doing.to_owned(),
    }
}

async fn shred(args: ShredArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let question = format!(
        "Make every stored credential of {} unreadable for good? Backups are not reached",
        args.org
    );
    secret_input::confirm(&question, args.yes)?;
    let body = ShredKeks { confirm: args.org };
    let shredded: Shredded = context.client.post(&["kek", "shred"], &body).await?;
    context.output.data(&shredded, || {
        facts([
            ("Keys destroyed", shredded.generations.to_string()),
            ("Versions unreadable", shredded.credential_versions.to_string()),
            ("Backups", shredded.statement.clone()),
        ])
    })
}

async fn begin_import(args: BeginArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let import: KekImport = context.client.act(&["kek", "imports"]).await?;
    if let Some(path) = &args.public_key {
        std::fs::write(path, &import.public_key)
            .with_context(|| format!("{} cannot be written", path.display()))?;
        context
            .output
            .note(&format!("The public key is in {}", path.display()));
    }
    context.output.data(&import, || match &args.public_key {
        None => import.public_key.trim_end().to_owned(),
        Some(_) => facts([
            ("Import", import.id.to_string()),
            ("Wrap with", import.algorithm.clone()),
            ("Until", moment(import.expires_at)),
        ]),
    })?;
    context.output.note(&format!(
        "Wrap 32 random bytes under it, then: `ks kek import finish {} FILE`",
        import.id
    ));
    Ok(())
}

fn show(status: &KekStatus, context: &Context<'_>) -> anyhow::Result<()> {
    context.output.data(status, || {
        let rows = status.generations.iter().map(row);
        let headings = ["KEY", "STATE", "VERSIONS", "WRAPS", "MADE", "VERIFIED"];
        let mut text = table(headings, rows);
        text.push_str(&match &status.customer_key {
            None => "\n\nHeld by the deployment's root key".to_owned(),
            Some(own) if own.usable => format!("\n\nHeld by {}, too", own.key),
            Some(own) => {
                let said = own.problem.as_deref().unwrap_or("it cannot be used");
                let remedy = own.remedy.as_deref().unwrap_or_default();
                format!(
                    "\n\nHeld by {}, too, which cannot be used: {said}\n{remedy}",
                    own.key
                )
            }
        });
        if let Some(job) = &status.job {
            text.push_str(&format!("\n{}", of_job(job)));
        }
        text
    })
}

fn of_job(job: &KekJob) -> String {
    let step = match job.step {
        JobStep::Rewrap => "Moving",
        JobStep::Verify => "Verifying",
    };
    let state = match (job.ended_at, job.failed) {
        (None, _) => format!("{step}: {} of {}", job.done, job.total),
        (Some(at), 0) => format!("Done at {}: {} versions open", moment(at), job.done),
        (Some(at), failed) => format!(
            "Ended at {}: {failed} of {} versions do not open",
            moment(at),
            job.done
        ),
    };
    match &job.problem {
        Some(problem) => format!("{state}; {problem}"),
        None => state,
    }
}

fn row(generation: &Generation) -> [String; 6] {
    let origin = if generation.imported { " (imported)" } else { "" };
    [
        format!("{}{origin}", generation.generation),
        generation.state.as_str().to_owned(),
        generation.credential_versions.to_string(),
        generation.wraps.to_string(),
        moment(generation.created_at),
        generation.verified_at.map_or_else(|| "-".to_owned(), moment),
    ]
}
