//! `ks access`: what agents ask for, and what a person decides.

use clap::{Args, Subcommand, ValueEnum};
use keystore_core::policy::Source;
use keystore_wire::Patch;
use keystore_wire::access_requests::{
    AccessRequest, AccessState, ApproveAccessRequest, DenyAccessRequest, ListAccessRequests,
};

use super::{Context, moment, or_dash};
use crate::cli::source;
use crate::complete;
use crate::output::{facts, table};

/// `ks access`.
#[derive(Subcommand)]
pub(crate) enum AccessCommand {
    /// List what agents asked for, the newest first; what waits, unless you say otherwise
    #[command(
        after_help = "Examples:\n  ks access list\n  ks access list --state denied --agent bot\n  ks access list --state all --output json"
    )]
    List(ListArgs),
    /// Show a request: what is wanted, and why
    #[command(after_help = "Example:\n  ks access show acr_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    Show(RequestArgs),
    /// Grant what was asked for, or less; the agent's next call passes
    #[command(
        after_help = "Examples:\n  ks access approve acr_01jd3w8f0qe7ys4c9p2m5n6r7t\n  \
        ks access approve acr_01jd3w8f0qe7ys4c9p2m5n6r7t --source byok --scope provider:openai:read\n  \
        ks access approve acr_01jd3w8f0qe7ys4c9p2m5n6r7t --budget 2000 --note 'until the end of the month'"
    )]
    Approve(ApproveArgs),
    /// Refuse what was asked for; the agent is told why
    #[command(
        after_help = "Example:\n  ks access deny acr_01jd3w8f0qe7ys4c9p2m5n6r7t --reason 'use the search of the intranet'"
    )]
    Deny(DenyArgs),
}

/// `ks access list`.
#[derive(Args)]
pub(crate) struct ListArgs {
    /// Only those that are so far
    #[arg(long, value_enum, value_name = "STATE", default_value_t = Which::Open)]
    state: Which,
    /// Only of this agent (name or id)
    #[arg(long, value_name = "AGENT", add = complete::agents())]
    agent: Option<String>,
    /// At most so many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// Which requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Which {
    /// Nobody has decided yet
    Open,
    /// It was granted, or a part of it
    Approved,
    /// It was refused
    Denied,
    /// Nobody decided in time
    Expired,
    /// Whatever became of it
    All,
}

/// A request.
#[derive(Args)]
pub(crate) struct RequestArgs {
    /// Its id
    #[arg(value_name = "ID")]
    request: String,
}

/// `ks access approve`.
#[derive(Args)]
pub(crate) struct ApproveArgs {
    /// Its id
    #[arg(value_name = "ID")]
    request: String,
    /// Whose key serves: byok or marketplace
    #[arg(long, value_name = "SOURCE", value_parser = source)]
    source: Option<Source>,
    /// The key of your own that serves (name or id)
    #[arg(long, value_name = "KEY")]
    credential: Option<String>,
    /// Only this scope of those that were asked for; may be given several times
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Only this model of those that were asked for; may be given several times
    #[arg(long = "model", value_name = "MODEL")]
    models: Vec<String>,
    /// A smaller monthly budget than asked for, in cents, or `none` to leave it as it is
    #[arg(long, value_name = "CENTS", value_parser = cents)]
    budget: Option<Budget>,
    /// A word for the agent
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

/// `ks access deny`.
#[derive(Args)]
pub(crate) struct DenyArgs {
    /// Its id
    #[arg(value_name = "ID")]
    request: String,
    /// Why, for the agent
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Another budget, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget(Option<i64>);

fn cents(text: &str) -> Result<Budget, String> {
    match text {
        "none" => Ok(Budget(None)),
        _ => text
            .parse()
            .map(|cents| Budget(Some(cents)))
            .map_err(|_| "expected a number of cents, or none".to_owned()),
    }
}

/// Does what the command says.
pub(crate) async fn run(command: AccessCommand, context: &Context<'_>) -> anyhow::Result<()> {
    match command {
        AccessCommand::List(args) => list(args, context).await,
        AccessCommand::Show(args) => {
            let path = ["access-requests", &args.request];
            let request: AccessRequest = context.client.get(&path, &()).await?;
            show(&request, context)
        }
        AccessCommand::Approve(args) => approve(args, context).await,
        AccessCommand::Deny(args) => {
            let path = ["access-requests", &args.request, "deny"];
            let body = DenyAccessRequest { reason: args.reason };
            let request: AccessRequest = context.client.post(&path, &body).await?;
            context.output.note("Denied; nothing was granted");
            show(&request, context)
        }
    }
}

async fn list(args: ListArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let query = ListAccessRequests {
        project: context.settings.project.clone(),
        agent: args.agent,
        state: match args.state {
            Which::Open => Some(AccessState::Open),
            Which::Approved => Some(AccessState::Approved),
            Which::Denied => Some(AccessState::Denied),
            Which::Expired => Some(AccessState::Expired),
            Which::All => None,
        },
        ..ListAccessRequests::default()
    };
    let found: Vec<AccessRequest> = context
        .client
        .list(&["access-requests"], &query, args.limit)
        .await?;
    context.output.data(&found, || {
        let rows = found.iter().map(|request| {
            [
                moment(request.created_at),
                request.agent_name.clone(),
                wanted(request),
                request.state.as_str().to_owned(),
                request.reason.clone(),
                request.id.to_string(),
            ]
        });
        table(["AT", "AGENT", "WANTS", "STATE", "IN ITS OWN WORDS", "ID"], rows)
    })
}

async fn approve(args: ApproveArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let some = |list: Vec<String>| Some(list).filter(|list| !list.is_empty());
    let body = ApproveAccessRequest {
        source: args.source,
        credential: args.credential,
        scopes: some(args.scopes),
        models: some(args.models),
        budget_cents_monthly: match args.budget {
            None => Patch::Keep,
            Some(Budget(None)) => Patch::Reset,
            Some(Budget(Some(cents))) => Patch::Set(cents),
        },
        note: args.note,
    };
    let path = ["access-requests", &args.request, "approve"];
    let request: AccessRequest = context.client.post(&path, &body).await?;
    context
        .output
        .note("Approved; the agent's next call passes, with the token that it has");
    show(&request, context)
}

/// `tavily (byok), models sonar, 2000 cents a month`.
fn wanted(request: &AccessRequest) -> String {
    let provider = request.provider.as_ref().map(|provider| {
        let source = request.source.map_or("any source", Source::as_str);
        format!("{provider} ({source})")
    });
    let models = Some(&request.models).filter(|models| !models.is_empty());
    let models = models.map(|models| format!("models {}", models.join(" ")));
    let budget = request.budget_cents_monthly;
    let budget = budget.map(|cents| format!("{cents} cents a month"));
    let all: Vec<_> = [provider, models, budget].into_iter().flatten().collect();
    all.join(", ")
}

fn show(request: &AccessRequest, context: &Context<'_>) -> anyhow::Result<()> {
    context.output.data(request, || {
        let scopes = match (&request.provider, request.scopes.is_empty()) {
            (None, _) => String::new(),
            (Some(_), true) => "everything that a grant can allow".to_owned(),
            (Some(_), false) => request.scopes.join(", "),
        };
        let granted = request.granted.as_ref().map(|granted| {
            let source = granted.source.map(|source| source.as_str().to_owned());
            let budget = granted.budget_cents_monthly;
            let budget = budget.map(|cents| format!("{cents} cents a month"));
            let lists = [granted.scopes.join(" "), granted.models.join(" ")].into_iter();
            let all = source
                .into_iter()
                .chain(lists.filter(|list| !list.is_empty()))
                .chain(budget);
            all.collect::<Vec<_>>().join(", ")
        });
        facts([
            ("ID", request.id.to_string()),
            ("STATE", request.state.as_str().to_owned()),
            ("AGENT", format!("{} ({})", request.agent_name, request.agent_id)),
            ("WANTS", wanted(request)),
            ("SCOPES", scopes),
            ("IN ITS OWN WORDS", request.reason.clone()),
            ("FILED", moment(request.created_at)),
            ("EXPIRES", moment(request.expires_at)),
            ("DECIDED", or_dash(request.decided_at.map(moment))),
            ("BY", or_dash(request.decided_by.clone())),
            ("NOTE", or_dash(request.note.clone())),
            ("GRANTED", or_dash(granted)),
        ])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(reason: &str) -> AccessRequest {
        serde_json::from_value(serde_json::json!({
            "id": "acr_01jd3w8f0qe7ys4c9p2m5n6r7t", "state": "open", "projectId": "prj_01jd3w8f0qe7ys4c9p2m5n6r7t",
            "agentId": "agt_01jd3w8f0qe7ys4c9p2m5n6r7t", "agentName": "bot", "tokenId": "tok_01jd3w8f0qe7ys4c9p2m5n6r7t",
            "provider": "tavily", "source": "byok", "scopes": [], "models": ["sonar"], "budgetCentsMonthly": 2000,
            "reason": reason, "createdAt": "2026-11-23T09:30:00Z", "expiresAt": "2026-11-30T09:30:00Z"
        }))
        .unwrap()
    }

    #[test]
    fn what_is_wanted_is_one_line() {
        assert_eq!(
            wanted(&request("")),
            "tavily (byok), models sonar, 2000 cents a month"
        );
    }

    #[test]
    fn a_budget_is_a_number_of_cents_or_none() {
        assert_eq!(cents("none"), Ok(Budget(None)));
        assert_eq!(cents("250"), Ok(Budget(Some(250))));
        assert!(cents("2.50").is_err());
    }
}
