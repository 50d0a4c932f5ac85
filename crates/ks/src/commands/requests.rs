//! `ks requests`: traffic, past and as it happens.

use std::time::Duration;

use clap::Args;
use keystore_core::policy::{Source, Unit};
use keystore_core::record::Ending;
use keystore_core::{Micros, NanoUsd};
use keystore_wire::requests::{ListRequests, Request, STREAM_EVENT, Steps};

use super::{Context, moment, or_dash};
use crate::complete;
use crate::duration;
use crate::output::{facts, table, told};

/// `ks requests`.
#[derive(Args)]
pub(crate) struct RequestsArgs {
    /// Show all that is known of this request
    #[arg(conflicts_with_all = ["follow", "agent", "provider", "model", "since", "status", "refused", "min_cost", "limit"])]
    request: Option<String>,
    /// Go on showing requests as they end
    #[arg(long, short)]
    follow: bool,
    /// Of this agent (name or id)
    #[arg(long, value_name = "AGENT", add = complete::agents())]
    agent: Option<String>,
    /// To this provider
    #[arg(long, value_name = "SLUG", add = complete::providers())]
    provider: Option<String>,
    /// Of this model
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// From so long ago, or from a date or time on
    #[arg(long, value_name = "WHEN", value_parser = duration::parse_past)]
    since: Option<Micros>,
    /// With this status
    #[arg(long, value_name = "STATUS")]
    status: Option<u16>,
    /// Only what was refused
    #[arg(long)]
    refused: bool,
    /// That cost at least this many dollars
    #[arg(long, value_name = "USD")]
    min_cost: Option<NanoUsd>,
    /// How many, the newest first
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

/// The longest pause before a broken stream is taken up again.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Does what the command says.
pub(crate) async fn run(args: RequestsArgs, context: &Context<'_>) -> anyhow::Result<()> {
    if let Some(id) = &args.request {
        let request: Request = context.client.get(&["requests", id], &()).await?;
        return context.output.data(&request, || described(&request));
    }
    let agent = match &args.agent {
        Some(agent) => Some(context.agent(agent).await?.id.to_string()),
        None => None,
    };
    let query = ListRequests {
        project: context.settings.project.clone(),
        agent,
        provider: args.provider,
        model: args.model,
        since: args.since.map(Into::into),
        status: args.status,
        refused: args.refused.then_some(true),
        min_cost: args.min_cost,
        ..ListRequests::default()
    };
    if args.follow {
        return follow(&query, context).await;
    }
    let most = usize::try_from(args.limit)?;
    let found = context.client.list_so_far(&["requests"], &query, most).await?;
    let (requests, whole): (Vec<Request>, _) = found;
    context
        .output
        .data(&requests, || table(HEADINGS, requests.iter().map(row)))?;
    whole
}

const HEADINGS: [&str; 10] = [
    "TIME", "AGENT", "PROVIDER", "MODEL", "STATUS", "CODE", "IN", "OUT", "COST", "ID",
];

fn row(request: &Request) -> [String; 10] {
    [
        moment(request.at),
        agent_of(request),
        request.provider.clone(),
        or_dash(request.model.clone()),
        status_of(request),
        or_dash(request.code.clone()),
        tokens(
            request,
            &[
                "input_uncached",
                "cache_read",
                "cache_write",
                "cache_write_5m",
                "cache_write_1h",
            ],
        ),
        tokens(request, &["output_text", "reasoning"]),
        cost_of(request),
        request.id.to_string(),
    ]
}

/// Who called: an agent, or the server itself when it asks a provider whether a key works.
fn agent_of(request: &Request) -> String {
    match &request.agent_name {
        Some(name) => name.clone(),
        None if request.agent_id.uuid().is_nil() => "(key test)".to_owned(),
        None => request.agent_id.to_string(),
    }
}

fn status_of(request: &Request) -> String {
    match (request.status, request.count) {
        (0, _) => "-".to_owned(),
        (status, 0 | 1) => status.to_string(),
        (status, count) => format!("{status} x{count}"),
    }
}

fn cost_of(request: &Request) -> String {
    let marks = [
        (request.flags.estimated, "~"),
        (request.flags.unpriced, "?"),
        (request.flags.over_hold, "!"),
    ];
    let marks: String = marks
        .iter()
        .filter(|(set, _)| *set)
        .map(|(_, mark)| *mark)
        .collect();
    format!("{marks}${}", request.cost)
}

fn tokens(request: &Request, buckets: &[&str]) -> String {
    let sum: u64 = buckets
        .iter()
        .filter_map(|bucket| request.usage.get(*bucket))
        .sum();
    sum.to_string()
}

fn described(request: &Request) -> String {
    let usage = request
        .usage
        .iter()
        .map(|(bucket, units)| format!("{bucket} {units}"))
        .collect::<Vec<_>>()
        .join(", ");
    let step = |of: fn(&Steps) -> u64| request.steps.as_ref().map(|steps| milliseconds(of(steps)));
    facts([
        ("Id", request.id.to_string()),
        ("Time", request.at.to_string()),
        ("Agent", format!("{} ({})", agent_of(request), request.agent_id)),
        ("Token", request.token_id.to_string()),
        ("Provider", request.provider.clone()),
        ("Operation", or_dash(request.operation.clone())),
        (
            "Request",
            format!(
                "{} {}",
                request.method.clone().unwrap_or_default(),
                request.path.clone().unwrap_or_default()
            )
            .trim()
            .to_owned(),
        ),
        ("Model", or_dash(request.model.clone())),
        ("Served model", or_dash(request.served_model.clone())),
        ("Source", or_dash(request.source.map(Source::as_str))),
        ("Key", or_dash(request.credential_id)),
        ("Status", status_of(request)),
        ("Code", or_dash(request.code.clone())),
        ("Ending", or_dash(request.ending.map(Ending::as_str))),
        ("Usage", usage),
        ("Cost", cost_of(request)),
        ("Held", or_dash(held(request))),
        ("Checked", or_dash(step(|steps| steps.checked_us))),
        ("Recorded", or_dash(step(|steps| steps.recorded_us))),
        ("Sending", or_dash(step(|steps| steps.sending_us))),
        ("Answered", or_dash(step(|steps| steps.answered_us))),
        ("First byte", milliseconds(request.first_byte_us)),
        ("Whole", milliseconds(request.total_us)),
        (
            "Bytes",
            format!(
                "{} sent, {} received",
                request.request_bytes, request.response_bytes
            ),
        ),
    ])
}

/// What was held against budgets.
fn held(request: &Request) -> Option<String> {
    let each = request.held.iter().map(|held| {
        let sign = if matches!(held.unit, Unit::Usd | Unit::UsdMoved) {
            "$"
        } else {
            ""
        };
        format!("{sign}{} ({})", held.amount, held.budget_id)
    });
    Some(each.collect::<Vec<_>>().join(", ")).filter(|held| !held.is_empty())
}

/// Microseconds as milliseconds with one decimal, rounded down.
fn milliseconds(micros: u64) -> String {
    format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100)
}

/// Shows what ends, until it is stopped. A connection that breaks is taken up where it broke.
async fn follow(query: &ListRequests, context: &Context<'_>) -> anyhow::Result<()> {
    let query = ListRequests {
        limit: None,
        after: None,
        ..query.clone()
    };
    let mut last_id: Option<String> = None;
    let mut pause = Duration::from_secs(1);
    let mut events = context
        .client
        .events(&["requests", "stream"], &query, None)
        .await?;
    context.output.note("Waiting for requests; Ctrl-C ends");
    loop {
        match events.next().await {
            Ok(Some(event)) => {
                pause = Duration::from_secs(1);
                last_id = event.id.or(last_id);
                if event.name == STREAM_EVENT {
                    show(&serde_json::from_str(&event.data)?, context)?;
                }
                continue;
            }
            Ok(None) => {}
            Err(error) => context
                .output
                .warn(&format!("the stream broke: {}", told(&error))),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        match context
            .client
            .events(&["requests", "stream"], &query, last_id.as_deref())
            .await
        {
            Ok(again) => events = again,
            Err(error) if error.is::<crate::client::Refused>() => return Err(error),
            Err(error) => context.output.warn(&told(&error)),
        }
    }
}

/// One request on one line, in columns that do not wait for the next.
fn show(request: &Request, context: &Context<'_>) -> anyhow::Result<()> {
    if context.output.is_json() {
        return context.output.line(&serde_json::to_string(request)?);
    }
    let [time, agent, provider, model, status, code, input, output, cost, _] =
        row(request).map(|cell| cell.replace(char::is_control, "?"));
    context.output.line(&format!(
        "{time}  {agent:<20} {provider:<12} {model:<24} {status:>6} {code:<20} {input:>7} in {output:>7} out  {cost}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        serde_json::from_value(serde_json::json!({
            "id": "req_01jd3w8f0qe7ys4c9p2m5n6r7t", "at": "2026-11-23T09:30:00.123Z", "endedAt": "2026-11-23T09:30:01Z",
            "projectId": "prj_01jd3w8f0qe7ys4c9p2m5n6r7t", "agentId": "agt_01jd3w8f0qe7ys4c9p2m5n6r7t",
            "agentName": "bot", "tokenId": "tok_01jd3w8f0qe7ys4c9p2m5n6r7t", "provider": "openai", "model": "gpt-5",
            "status": 200, "count": 1, "cost": "0.000125", "flags": {"estimated": true},
            "usage": {"input_uncached": 7, "cache_read": 3, "output_text": 5, "reasoning": 2},
            "firstByteUs": 1500, "totalUs": 2500, "requestBytes": 10, "responseBytes": 20
        }))
        .unwrap()
    }

    #[test]
    fn a_request_fits_into_a_row() {
        assert_eq!(
            row(&request())[..9],
            [
                "2026-11-23 09:30:00",
                "bot",
                "openai",
                "gpt-5",
                "200",
                "-",
                "10",
                "7",
                "~$0.000125"
            ]
        );
        let refused = Request {
            status: 429,
            count: 12,
            ..request()
        };
        assert_eq!(status_of(&refused), "429 x12");
        assert!(described(&request()).contains("1.5 ms"));
    }
}
