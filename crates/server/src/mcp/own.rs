//! The tools of an agent, with its own token: it learns of itself, and asks for more. It changes nothing but what it asks for.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use keystore_core::Micros;
use keystore_core::budget::{BudgetTerms, BudgetView};
use keystore_core::rate::{RateLimits, Used};
use keystore_proxy::holder::{Explained, Opened};
use keystore_store::access_requests::{self as access_rows, Filter};
use keystore_store::requests;
use keystore_wire::access_requests::{AccessRequest, FileAccessRequest};
use keystore_wire::mcp::{
    Allowance, BudgetLeft, LastRefusal, LimitLeft, OpenProvider, OwnAccessRequests, ProviderAllowance,
    RefusedCall, SharedAllowance, Whoami, Why,
};
use keystore_wire::problem::Code;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::OpenApi;

use super::schema::Schemas;
use super::{Called, Hints, Tool, ToolError, rpc};
use crate::access_requests::{self, shown};
use crate::api::extract::parsed;
use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::auth::agent::AgentCaller;

/// What a model is told.
pub(super) const INSTRUCTIONS: &str = "Keystore holds the real API keys of this agent's providers. Calls go to the base URLs that `whoami` \
    lists, with the agent's own token in the place of a key. When a call is refused, `get_last_refusal` says why and what helps; \
    `get_allowance` says what is left. What is not granted is asked for with `request_access`: a person decides, and when they approve, \
    the next call passes with the same token. Asking again does not hurry them.";

/// The most requests that are shown.
const SHOWN: u32 = 50;

/// How far back the last refusal is looked for beside what is in memory.
const LOOK_BACK: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

#[derive(OpenApi)]
#[openapi(components(schemas(
    Whoami,
    Allowance,
    LastRefusal,
    FileAccessRequest,
    AccessRequest,
    OwnAccessRequests
)))]
struct Shapes;

static TOOLS: LazyLock<Vec<Tool>> = LazyLock::new(|| {
    let schemas = Schemas::of(&serde_json::to_value(Shapes::openapi()).unwrap_or_default());
    let look = Hints {
        read_only: true,
        destructive: false,
        idempotent: true,
    };
    let file = Hints {
        read_only: false,
        ..look
    };
    let tool = |name, description: &str, input: Option<&str>, output, hints| Tool {
        name,
        description: description.to_owned(),
        input: input.map_or_else(Schemas::nothing, |input| schemas.component(input)),
        output: schemas.component(output),
        hints,
    };
    vec![
        tool(
            "whoami",
            "Who this agent is, which providers it may use, the base URL of each, and whose credential serves its calls.",
            None,
            "Whoami",
            look,
        ),
        tool(
            "get_allowance",
            "What is left of this agent's rate limits and budgets right now.",
            None,
            "Allowance",
            look,
        ),
        tool(
            "get_last_refusal",
            "Why this agent's last refused call was refused: the code, what it means, and what to do.",
            None,
            "LastRefusal",
            look,
        ),
        tool(
            "request_access",
            "Ask a person for a provider, for models, or for a larger monthly budget. Grants nothing by itself. Asking for the same \
             again gives the request that waits.",
            Some("FileAccessRequest"),
            "AccessRequest",
            file,
        ),
        tool(
            "list_access_requests",
            "This agent's own access requests, newest first: which wait, which were approved or denied, and what the person said.",
            None,
            "OwnAccessRequests",
            look,
        ),
    ]
});

/// All of them.
pub(super) fn tools() -> impl Iterator<Item = &'static Tool> {
    TOOLS.iter()
}

/// Calls one.
pub(super) async fn call(app: &Arc<App>, agent: &AgentCaller, name: &str, arguments: Value) -> Called {
    let done = match name {
        "whoami" => with(arguments, async |_: Nothing| Ok(whoami(app, agent))).await,
        "get_allowance" => with(arguments, async |_: Nothing| Ok(allowance(app, agent))).await,
        "get_last_refusal" => with(arguments, async |_: Nothing| last_refusal(app, agent).await).await,
        "request_access" => {
            with(arguments, async |wanted| {
                let filed = access_requests::file(app, agent, wanted).await?;
                Ok(to_agent(filed))
            })
            .await
        }
        "list_access_requests" => with(arguments, async |_: Nothing| own_requests(app, agent).await).await,
        _ => return Err(rpc::Fault::params(format!("there is no tool `{name}`"))),
    };
    Ok(done.map_err(|error| ToolError::from(error.tell(agent.origin().request))))
}

/// No argument.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Reads the arguments, does the thing, and writes what came of it.
async fn with<A: DeserializeOwned, T: Serialize>(
    arguments: Value,
    act: impl AsyncFnOnce(A) -> ApiResult<T>,
) -> ApiResult<Value> {
    let arguments = parsed(arguments.to_string().as_bytes())?;
    serde_json::to_value(act(arguments).await?).map_err(ApiError::internal)
}

fn whoami(app: &App, agent: &AgentCaller) -> Whoami {
    let (policy, token) = (agent.holder.policy(), agent.holder.token());
    let refused = agent.holder.check(app.clock.now()).err();
    let explained = |deny| why(app.proxy.explain(agent.holder.name(), deny));
    let provider = |opened: Opened<'_>| {
        let base_url = format!("{}/v1/{}", app.settings.proxy_url, opened.grant.provider);
        let variables = opened.provider.env.base_url.iter();
        OpenProvider {
            environment: variables
                .map(|variable| (variable.name.to_string(), format!("{base_url}{}", variable.path)))
                .collect::<BTreeMap<_, _>>(),
            name: opened.grant.provider.clone(),
            source: opened.grant.source,
            scopes: opened
                .grant
                .scopes
                .iter()
                .map(|action| crate::api::agents::scope(&opened.grant.provider, *action))
                .collect(),
            refused: opened.refused.map(explained),
            base_url,
        }
    };
    Whoami {
        agent_id: policy.agent,
        name: agent.holder.name().to_owned(),
        project_id: policy.project,
        token_id: token.token,
        proxy_url: app.settings.proxy_url.clone(),
        refused: refused.map(explained),
        expires_at: [policy.expires_at, token.expires_at]
            .into_iter()
            .flatten()
            .min()
            .map(Into::into),
        providers: app
            .proxy
            .opened(&agent.holder)
            .into_iter()
            .map(provider)
            .collect(),
        allowed_models: policy.allowed_models.clone(),
        end_users: policy.end_users,
    }
}

fn why(explained: Explained) -> Why {
    Why {
        code: explained.code.as_str().to_owned(),
        message: explained.message,
        remedy: explained.remedy,
    }
}

fn allowance(app: &App, agent: &AgentCaller) -> Allowance {
    let holder = &agent.holder;
    let own = app.proxy.limits(holder.policy());
    let providers = app.proxy.opened(holder).into_iter();
    let shared = app.proxy.shared(holder).into_iter();
    let now = app.clock.now();
    Allowance {
        providers: providers
            .map(|opened| ProviderAllowance {
                name: opened.grant.provider.clone(),
                limits: limits(&own, opened.used),
            })
            .collect(),
        shared: shared
            .map(|shared| SharedAllowance {
                scope: shared.scope.as_str().to_owned(),
                limits: limits(&shared.limits, shared.used),
            })
            .collect(),
        budgets: app
            .proxy
            .budgets(holder)
            .iter()
            .map(|(terms, view)| budget(terms, view, now))
            .collect(),
    }
}

fn limits(limits: &RateLimits, used: Used) -> Vec<LimitLeft> {
    let all = [
        ("rpm", limits.rpm, used.minute),
        ("rpd", limits.rpd, used.day),
        ("tpm", limits.tpm, used.tokens),
        ("concurrency", limits.concurrency, used.running),
    ];
    let set = all.into_iter().filter_map(|(kind, limit, used)| {
        Some(LimitLeft {
            kind: kind.to_owned(),
            limit: limit?,
            used,
            remaining: limit?.saturating_sub(used),
        })
    });
    set.collect()
}

fn budget(terms: &BudgetTerms, view: &BudgetView, now: Micros) -> BudgetLeft {
    let policy = &terms.policy;
    let show = |amount: i64| policy.unit.show(amount);
    BudgetLeft {
        id: policy.budget,
        own: policy.agent.is_some(),
        provider: policy.provider.clone(),
        model: policy.model.clone(),
        unit: policy.unit,
        window: policy.window,
        action: policy.action,
        limit: show(policy.limit_at(now)),
        spent: show(view.settled),
        held: show(view.held),
        remaining: show(i64::try_from(view.room.max(0)).unwrap_or(i64::MAX)),
        resets_at: view.bounds.end.map(Into::into),
    }
}

/// The refusal that this process remembers, with its own words; else the newest in the records, which keep the code.
async fn last_refusal(app: &App, agent: &AgentCaller) -> ApiResult<LastRefusal> {
    if let Some(last) = app.proxy.last_refusal(&agent.holder) {
        let refusal = RefusedCall {
            request_id: last.request,
            at: last.at.into(),
            provider: Some(last.provider.clone()).filter(|provider| !provider.is_empty()),
            why: why(app.proxy.explain_last(&agent.holder, &last)),
        };
        return Ok(LastRefusal {
            refusal: Some(refusal),
        });
    }
    let filter = requests::Filter {
        agent: Some(agent.agent()),
        refused: Some(true),
        since: Some(app.clock.now().minus(LOOK_BACK)),
        ..requests::Filter::default()
    };
    let found = requests::list(&mut app.store.read().await?, agent.org(), &filter, None, 1).await?;
    let refusal = found.rows.into_iter().next().map(|row| {
        let code = row.refusal.unwrap_or_default();
        let title = Code::of(&code).map_or("The call was refused", Code::title);
        RefusedCall {
            request_id: row.id,
            at: row.ended_at.into(),
            provider: Some(row.provider).filter(|provider| !provider.is_empty()),
            why: Why {
                message: format!("{title}."),
                code,
                remedy: "Make the call again: the refusal says more.".to_owned(),
            },
        }
    });
    Ok(LastRefusal { refusal })
}

async fn own_requests(app: &App, agent: &AgentCaller) -> ApiResult<OwnAccessRequests> {
    let filter = Filter {
        agent: Some(agent.agent()),
        ..Filter::default()
    };
    let found = access_rows::list(&mut app.store.read().await?, agent.org(), &filter, None, SHOWN).await?;
    let now = app.clock.now();
    let shown = found
        .into_iter()
        .map(|row| to_agent(shown(row, agent.holder.name(), now)));
    Ok(OwnAccessRequests {
        access_requests: shown.collect(),
    })
}

/// An agent is not told who decided.
fn to_agent(request: AccessRequest) -> AccessRequest {
    AccessRequest {
        decided_by: None,
        ..request
    }
}
