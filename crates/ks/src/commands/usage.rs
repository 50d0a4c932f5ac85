//! `ks usage`: sums.

use clap::Args;
use keystore_core::Micros;
use keystore_core::policy::Source;
use keystore_wire::usage::{By, Totals, UsageEvents, UsageEventsQuery, UsageQuery, UsageReport, UsageRow};

use super::{Context, date, or_dash};
use crate::complete;
use crate::duration;

/// `ks usage`.
#[derive(Args)]
pub(crate) struct UsageArgs {
    /// What to group by, with commas: project, agent, provider, model, source, day
    #[arg(long, value_name = "WHAT", value_delimiter = ',', value_parser = by, default_value = "provider")]
    by: Vec<By>,
    /// From so long ago, or from a date on; the present UTC month by default
    #[arg(long, value_name = "WHEN", value_parser = duration::parse_past)]
    since: Option<Micros>,
    /// Up to so long ago, or up to a date
    #[arg(long, value_name = "WHEN", value_parser = duration::parse_past)]
    until: Option<Micros>,
    /// Of this agent (name or id)
    #[arg(long, value_name = "AGENT", add = complete::agents())]
    agent: Option<String>,
    /// To this provider
    #[arg(long, value_name = "SLUG", add = complete::providers())]
    provider: Option<String>,
    /// Of this model
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Call by call instead, as CloudEvents, one a line, oldest first: for meters, and for billing on
    #[arg(long, conflicts_with_all = ["by", "since", "until", "agent", "provider", "model"])]
    events: bool,
    /// With --events: from where an earlier run ended, which is said at its end
    #[arg(long, value_name = "CURSOR", requires = "events")]
    after: Option<String>,
}

fn by(text: &str) -> Result<By, String> {
    By::of(text).ok_or_else(|| {
        let known: Vec<_> = By::ALL.iter().map(|by| by.as_str()).collect();
        format!("expected one of {}", known.join(", "))
    })
}

/// Does what the command says.
pub(crate) async fn run(args: UsageArgs, context: &Context<'_>) -> anyhow::Result<()> {
    if args.events {
        return events(args.after, context).await;
    }
    let agent = match &args.agent {
        Some(agent) => Some(context.agent(agent).await?.id.to_string()),
        None => None,
    };
    let query = UsageQuery {
        by: Some(args.by.iter().map(|by| by.as_str()).collect::<Vec<_>>().join(",")),
        since: args.since.map(Into::into),
        until: args.until.map(Into::into),
        project: context.settings.project.clone(),
        agent,
        provider: args.provider,
        model: args.model,
    };
    let report: UsageReport = context.client.get(&["usage"], &query).await?;
    context
        .output
        .note(&format!("{} to {}", date(report.since), date(report.until)));
    let rows = rows(&report, &args.by);
    context
        .output
        .report(&report, rows, |rows| columns(&priced(rows), args.by.len()))
}

async fn events(mut after: Option<String>, context: &Context<'_>) -> anyhow::Result<()> {
    loop {
        let query = UsageEventsQuery {
            project: context.settings.project.clone(),
            limit: Some(500),
            after: after.clone(),
        };
        let page: UsageEvents = context.client.get(&["usage", "events"], &query).await?;
        for event in &page.data {
            context.output.line(&serde_json::to_string(event)?)?;
        }
        if after.as_ref() == Some(&page.next) || (after.is_none() && page.next == "0") {
            context
                .output
                .note(&format!("Go on from here with `--after {}`", page.next));
            return Ok(());
        }
        after = Some(page.next);
    }
}

const TOTALS: [&str; 8] = [
    "CALLS", "ERRORS", "REFUSED", "INPUT", "CACHED", "OUTPUT", "HELD", "SPENT",
];

/// The rows under their headings, and the total.
fn rows(report: &UsageReport, by: &[By]) -> (Vec<Vec<String>>, Vec<String>) {
    let mut grid = vec![
        by.iter()
            .map(|by| by.as_str().to_uppercase())
            .chain(TOTALS.map(str::to_owned))
            .collect(),
    ];
    for row in &report.data {
        grid.push(
            by.iter()
                .map(|by| key(row, *by))
                .chain(cells(&row.totals))
                .collect(),
        );
    }
    let blank = by.iter().skip(1).map(|_| String::new());
    let total = std::iter::once("TOTAL".to_owned())
        .chain(blank)
        .chain(cells(&report.total))
        .collect();
    (grid, total)
}

/// With a sign before what is money: the last two columns.
fn priced(mut grid: Vec<Vec<String>>) -> Vec<Vec<String>> {
    for row in grid.iter_mut().skip(1) {
        for cell in row.iter_mut().rev().take(2) {
            cell.insert(0, '$');
        }
    }
    grid
}

fn key(row: &UsageRow, by: By) -> String {
    match by {
        By::Project => or_dash(row.project_id),
        By::Agent => match (&row.agent_name, row.agent_id) {
            (Some(name), _) => name.clone(),
            (None, Some(id)) if id.uuid().is_nil() => "(key test)".to_owned(),
            (None, id) => or_dash(id),
        },
        By::Provider => or_dash(row.provider.clone()),
        By::Model => or_dash(row.model.clone()),
        By::Source => or_dash(row.source.map(Source::as_str)),
        By::Day => or_dash(row.day.clone()),
    }
}

fn cells(totals: &Totals) -> [String; 8] {
    [
        totals.calls.to_string(),
        totals.errors.to_string(),
        totals.refused.to_string(),
        totals.input_tokens.to_string(),
        (totals.cache_read_tokens + totals.cache_write_tokens).to_string(),
        (totals.output_tokens + totals.reasoning_tokens).to_string(),
        totals.held.to_string(),
        totals.cost.to_string(),
    ]
}

/// Names to the left, numbers to the right.
fn columns(grid: &[Vec<String>], names: usize) -> String {
    let clean = |cell: &String| cell.replace(char::is_control, "?");
    let width = |column: usize| {
        grid.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let lines = grid.iter().map(|row| {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let width = width(column).unwrap_or(0);
            if column < names {
                format!("{:<width$}", clean(cell))
            } else {
                format!("{:>width$}", clean(cell))
            }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_stand_under_each_other() {
        let totals = |calls, cost: &str| Totals {
            calls,
            cost: cost.parse().unwrap(),
            ..Totals::default()
        };
        let row = |provider: &str, calls, cost| UsageRow {
            project_id: None,
            agent_id: None,
            agent_name: None,
            provider: Some(provider.to_owned()),
            model: None,
            source: None,
            day: None,
            totals: totals(calls, cost),
        };
        let at = "2026-11-01T00:00:00Z".parse::<Micros>().unwrap().into();
        let report = UsageReport {
            since: at,
            until: at,
            data: vec![row("openai", 120, "1.50"), row("anthropic", 7, "0.25")],
            total: totals(127, "1.75"),
        };
        let (mut grid, total) = rows(&report, &[By::Provider]);
        grid.push(total);
        assert_eq!(
            columns(&priced(grid), 1),
            "PROVIDER   CALLS  ERRORS  REFUSED  INPUT  CACHED  OUTPUT   HELD  SPENT\n\
             openai       120       0        0      0       0       0  $0.00  $1.50\n\
             anthropic      7       0        0      0       0       0  $0.00  $0.25\n\
             TOTAL        127       0        0      0       0       0  $0.00  $1.75"
        );
        assert!(by("weekday").unwrap_err().contains("model"));
    }
}
