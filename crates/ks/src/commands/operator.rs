//! `ks operator`: who runs this deployment and sells the use of pooled keys.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use keystore_core::Micros;
use keystore_wire::operator::Operator;
use keystore_wire::sales::{Reconcile, Reconciliation, Sale, SalesQuery, SalesReport};

use super::Context;
use crate::duration;
use crate::output::{facts, table};

/// `ks operator`.
#[derive(Subcommand)]
pub(crate) enum OperatorCommand {
    /// Set up the organization in which the operator acts, and print a management key of it, once
    #[command(after_help = "Example:\n  ks operator set-up\n\n\
        Only for whoever set the deployment up. Afterwards act there with `ks org switch operator`, or with the key in KS_API_KEY.")]
    SetUp,
    /// Show what was sold of pooled keys, what it cost, and the margin
    #[command(
        after_help = "Examples:\n  ks operator sales\n  ks operator sales --by org,provider --since 30d\n  ks operator sales --by credential --provider openai"
    )]
    Sales(SalesArgs),
    /// Compare what a vendor says it bills with what its calls were thought to cost, day by day
    #[command(
        after_help = "Examples:\n  ks operator reconcile openai costs.json\n  ks operator reconcile openai costs.json --post\n\n\
        The file is what OpenAI's costs API answers (GET /v1/organization/costs with bucket_width=1d): a page, or a list of pages."
    )]
    Reconcile(ReconcileArgs),
}

/// `ks operator sales`.
#[derive(Args)]
pub(crate) struct SalesArgs {
    /// What to group by, with commas: provider, org, credential, day
    #[arg(long, value_name = "WHAT", default_value = "provider")]
    by: String,
    /// From so long ago, or from a date on; the present UTC month by default
    #[arg(long, value_name = "WHEN", value_parser = duration::parse_past)]
    since: Option<Micros>,
    /// Up to so long ago, or up to a date
    #[arg(long, value_name = "WHEN", value_parser = duration::parse_past)]
    until: Option<Micros>,
    /// Of this provider
    #[arg(long, value_name = "SLUG")]
    provider: Option<String>,
}

/// `ks operator reconcile`.
#[derive(Args)]
pub(crate) struct ReconcileArgs {
    /// The provider
    #[arg(value_name = "SLUG")]
    provider: String,
    /// The vendor's cost report
    file: PathBuf,
    /// Post the differences into the operator's books, a transaction a day; a day is posted once
    #[arg(long)]
    post: bool,
}

/// Does what the command says.
pub(crate) async fn run(command: OperatorCommand, context: &Context<'_>) -> anyhow::Result<()> {
    match command {
        OperatorCommand::SetUp => set_up(context).await,
        OperatorCommand::Sales(args) => sales(args, context).await,
        OperatorCommand::Reconcile(args) => reconcile(args, context).await,
    }
}

async fn sales(args: SalesArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let query = SalesQuery {
        by: Some(args.by),
        since: args.since.map(Into::into),
        until: args.until.map(Into::into),
        provider: args.provider,
    };
    let report: SalesReport = context.client.get(&["operator", "sales"], &query).await?;
    context
        .output
        .note(&format!("{} to {}", report.since, report.until));
    context.output.data(&report, || {
        let row = |name: String, sale: &Sale| {
            [
                name,
                sale.calls.to_string(),
                sale.failed_over.to_string(),
                sale.sold.to_string(),
                sale.vendor_cost.to_string(),
                sale.margin.to_string(),
            ]
        };
        let named = report.rows.iter().map(|sale| {
            let parts = [
                sale.day.clone(),
                sale.provider.clone(),
                sale.org_id.map(|id| id.to_string()),
                sale.credential_id.map(|id| id.to_string()),
            ];
            row(parts.into_iter().flatten().collect::<Vec<_>>().join(" "), sale)
        });
        let rows = named.chain(std::iter::once(row("total".to_owned(), &report.total)));
        table(["OF", "CALLS", "FAILED OVER", "SOLD", "COST", "MARGIN"], rows)
    })
}

async fn reconcile(args: ReconcileArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let text =
        std::fs::read(&args.file).with_context(|| format!("{} cannot be read", args.file.display()))?;
    let report =
        serde_json::from_slice(&text).with_context(|| format!("{} is not JSON", args.file.display()))?;
    let body = Reconcile {
        provider: args.provider,
        report,
        post: args.post,
    };
    let compared: Reconciliation = context
        .client
        .post(&["operator", "reconciliations"], &body)
        .await?;
    context.output.data(&compared, || {
        let days = compared.days.iter().map(|day| {
            [
                day.day.clone(),
                day.billed.to_string(),
                day.metered.to_string(),
                day.drift.to_string(),
                day.transaction_id.map_or_else(String::new, |id| id.to_string()),
            ]
        });
        let total = [
            "total".to_owned(),
            compared.billed.to_string(),
            compared.metered.to_string(),
            compared.drift.to_string(),
            String::new(),
        ];
        table(
            ["DAY", "BILLED", "METERED", "DRIFT", "POSTED"],
            days.chain(std::iter::once(total)),
        )
    })
}

async fn set_up(context: &Context<'_>) -> anyhow::Result<()> {
    let made: Operator = context.client.act(&["operator"]).await?;
    context.output.note(match made.api_key {
        Some(_) => "The operator's organization is set up. The key is shown this once",
        None => "The operator's organization was set up before; make a key there with `ks api-key create`",
    });
    context.output.data(&made, || {
        let key = made.api_key.clone();
        let org = ("Organization", made.org_id.to_string());
        facts(std::iter::once(org).chain(key.map(|key| ("Key", key))))
    })
}
