//! `ks operator`: who runs this deployment and sells the use of pooled keys.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use keystore_core::Micros;
use keystore_wire::exposure::{ExposureQuery, Exposures};
use keystore_wire::operator::Operator;
use keystore_wire::pool_uses::{PoolUse, PoolUseQuery, PoolUseReport};
use keystore_wire::sales::{Reconcile, Reconciliation, Sale, SalesQuery, SalesReport};

use super::{Context, moment};
use crate::duration;
use crate::output::{facts, grid};

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
    /// Show how the pools were used: who got a key, waited, got none, and how much of the vendors' limits was used
    #[command(
        after_help = "Examples:\n  ks operator pool-use\n  ks operator pool-use --by provider,org --since 7d\n  \
        ks operator pool-use --by hour,credential --provider openai --output csv"
    )]
    PoolUse(PoolUseArgs),
    /// Show what may be lost with each customer: used and not paid, held, overdue
    #[command(
        after_help = "Examples:\n  ks operator exposure\n  ks operator exposure --overdue-after 14 --output csv"
    )]
    Exposure(ExposureArgs),
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

/// `ks operator pool-use`.
#[derive(Args)]
pub(crate) struct PoolUseArgs {
    /// What to group by, with commas: provider, org, credential, day, hour
    #[arg(long, value_name = "WHAT", default_value = "provider,credential")]
    by: String,
    /// From the hour of so long ago, or of a time, on; 24 hours ago by default
    #[arg(long, value_name = "WHEN", value_parser = duration::parse_past)]
    since: Option<Micros>,
    /// Up to the hour of so long ago, or of a time
    #[arg(long, value_name = "WHEN", value_parser = duration::parse_past)]
    until: Option<Micros>,
    /// Of this provider
    #[arg(long, value_name = "SLUG")]
    provider: Option<String>,
}

/// `ks operator exposure`.
#[derive(Args)]
pub(crate) struct ExposureArgs {
    /// After how many days a bill is overdue; 30 by default
    #[arg(long, value_name = "DAYS")]
    overdue_after: Option<u32>,
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
        OperatorCommand::PoolUse(args) => pool_use(args, context).await,
        OperatorCommand::Exposure(args) => exposure(args, context).await,
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
    let cells = |name: String, sale: &Sale| {
        vec![
            name,
            sale.calls.to_string(),
            sale.failed_over.to_string(),
            sale.sold.to_string(),
            sale.vendor_cost.to_string(),
            sale.margin.to_string(),
        ]
    };
    let named = |sale: &Sale| {
        let parts = [
            sale.day.clone(),
            sale.provider.clone(),
            sale.org_id.map(|id| id.to_string()),
            sale.credential_id.map(|id| id.to_string()),
        ];
        cells(joined(parts), sale)
    };
    let mut rows = vec![headings(["OF", "CALLS", "FAILED OVER", "SOLD", "COST", "MARGIN"])];
    rows.extend(report.rows.iter().map(named));
    let total = cells("total".to_owned(), &report.total);
    context.output.report(&report, (rows, total), grid)
}

/// What a sum is of, in words that are apart.
fn joined<const N: usize>(parts: [Option<String>; N]) -> String {
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    parts.join(" ")
}

fn headings<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(str::to_owned).to_vec()
}

async fn pool_use(args: PoolUseArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let query = PoolUseQuery {
        by: Some(args.by),
        since: args.since.map(Into::into),
        until: args.until.map(Into::into),
        provider: args.provider,
    };
    let path = ["operator", "pool-use"];
    let report: PoolUseReport = context.client.get(&path, &query).await?;
    context
        .output
        .note(&format!("{} to {}", moment(report.since), moment(report.until)));
    let cells = |name: String, used: &PoolUse| {
        vec![
            name,
            used.granted.to_string(),
            used.waited.to_string(),
            // On the average, of those that waited.
            used.waited_ms.checked_div(used.waited).unwrap_or(0).to_string(),
            used.refused.to_string(),
            used.failed_over.to_string(),
            format!(
                "{}.{}",
                used.most_used_permille / 10,
                used.most_used_permille % 10
            ),
        ]
    };
    let named = |used: &PoolUse| {
        let parts = [
            used.from.map(moment),
            used.provider.clone(),
            used.org_id.map(|id| id.to_string()),
            used.credential_id.map(|id| id.to_string()),
        ];
        cells(joined(parts), used)
    };
    let mut rows = vec![headings([
        "OF",
        "GRANTED",
        "WAITED",
        "WAIT MS",
        "REFUSED",
        "FAILED OVER",
        "MOST OF LIMIT %",
    ])];
    rows.extend(report.rows.iter().map(named));
    let total = cells("total".to_owned(), &report.total);
    context.output.report(&report, (rows, total), grid)
}

async fn exposure(args: ExposureArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let query = ExposureQuery {
        overdue_after_days: args.overdue_after,
    };
    let report: Exposures = context.client.get(&["operator", "exposure"], &query).await?;
    let mut rows = vec![headings([
        "ORGANIZATION",
        "NAME",
        "LIMIT",
        "USED",
        "HELD",
        "AT RISK",
        "BILLED",
        "OVERDUE",
    ])];
    rows.extend(report.data.iter().map(|one| {
        vec![
            one.org_id.to_string(),
            one.name.clone(),
            one.limit.to_string(),
            one.used.to_string(),
            one.held.to_string(),
            one.at_risk.to_string(),
            one.billed.to_string(),
            one.overdue.to_string(),
        ]
    }));
    let total = vec![
        "total".to_owned(),
        String::new(),
        String::new(),
        report.used.to_string(),
        report.held.to_string(),
        report.at_risk.to_string(),
        report.billed.to_string(),
        report.overdue.to_string(),
    ];
    context.output.report(&report, (rows, total), grid)
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
    let mut rows = vec![headings(["DAY", "BILLED", "METERED", "DRIFT", "POSTED"])];
    rows.extend(compared.days.iter().map(|day| {
        vec![
            day.day.clone(),
            day.billed.to_string(),
            day.metered.to_string(),
            day.drift.to_string(),
            day.transaction_id.map_or_else(String::new, |id| id.to_string()),
        ]
    }));
    let total = vec![
        "total".to_owned(),
        compared.billed.to_string(),
        compared.metered.to_string(),
        compared.drift.to_string(),
        String::new(),
    ];
    context.output.report(&compared, (rows, total), grid)
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
