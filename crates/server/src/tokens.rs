//! What makes and ends an agent's tokens. A token's value exists in the answer that makes it and nowhere after; its policy is
//! written with a MAC, and the commit tells the data plane.

use std::time::Duration;

use keystore_core::Micros;
use keystore_core::ids::{AgentId, OrgId, TokenId};
use keystore_core::policy::{AgentStatus, TokenPolicy};
use keystore_store::tokens::{self, NewToken as TokenRow, Token};
use keystore_store::{Conn, Tx, agents as agent_rows};
use keystore_vault::{NewToken, TokenKind};
use keystore_wire::agents::CreateAgent;
use keystore_wire::problem::Code;
use keystore_wire::tokens::{CreateToken, MAX_OVERLAP_SECONDS};

use crate::agents::{self, Forged, Loaded, TOKEN_MAC};
use crate::api::problem::{ApiError, ApiResult, Fields};
use crate::api::tokens::recorded;
use crate::app::App;
use crate::audit::Event;
use crate::auth::caller::Caller;
use crate::auth::require::Resource;

/// A token that was just made.
pub(crate) struct Made {
    /// Its id.
    pub(crate) id: TokenId,
    /// Its value: told once.
    pub(crate) value: NewToken,
    /// When it ends by itself.
    pub(crate) expires_at: Option<Micros>,
    /// Whose it is.
    pub(crate) agent: Loaded,
}

/// A stored token with its policy read, and its agent.
#[derive(Clone)]
pub(crate) struct Found {
    /// The row.
    pub(crate) row: Token,
    /// What it says.
    pub(crate) policy: TokenPolicy,
    /// Its agent.
    pub(crate) agent: Loaded,
}

/// Makes a token: for an agent that exists, or with a new one.
///
/// # Errors
/// `invalid_request`, `not_found`, `conflict` for a revoked agent, and those of making an agent.
pub(crate) async fn create(app: &App, tx: &mut Tx, caller: &Caller, new: CreateToken) -> ApiResult<Made> {
    let expires_at = new.expires_at.map(Micros::from);
    let mut fields = Fields::default();
    agents::check_future(&mut fields, expires_at, app.clock.now());
    if new.agent_id.is_some() {
        let foreign = [
            ("/project", new.project.is_some()),
            ("/providers", new.providers.is_some()),
            ("/rpmLimit", new.rpm_limit.is_some()),
            ("/rpdLimit", new.rpd_limit.is_some()),
            ("/budgetCentsMonthly", new.budget_cents_monthly.is_some()),
        ];
        for (pointer, given) in foreign {
            if given {
                fields.wrong(
                    pointer,
                    "belongs to the agent; with `agentId`, change the agent instead",
                );
            }
        }
    } else if new.name.is_none() {
        fields.wrong("/name", "is needed for the new agent");
    }
    if let Some(name) = &new.name {
        agents::check_name(&mut fields, name);
    }
    fields.check()?;
    let name = new.name.unwrap_or_default();
    let agent = match new.agent_id {
        Some(id) => agents::find(app, tx, caller, &id).await?,
        None => {
            let agent = CreateAgent {
                name: name.clone(),
                project: new.project,
                providers: new.providers.unwrap_or_default(),
                rpm_limit: new.rpm_limit,
                rpd_limit: new.rpd_limit,
                budget_cents_monthly: new.budget_cents_monthly,
                ..CreateAgent::default()
            };
            agents::create(app, tx, caller, &agent).await?
        }
    };
    issue(app, tx, caller, "create_token", agent, name.trim(), expires_at).await
}

/// One more token of an agent.
async fn issue(
    app: &App,
    tx: &mut Tx,
    caller: &Caller,
    action: &'static str,
    agent: Loaded,
    name: &str,
    expires_at: Option<Micros>,
) -> ApiResult<Made> {
    if agent.policy.status == AgentStatus::Revoked {
        return Err(
            ApiError::new(Code::Conflict, "the agent is revoked, which is for good")
                .remedy("create another agent"),
        );
    }
    let value = NewToken::generate(TokenKind::Agent)?;
    let policy = TokenPolicy {
        token: TokenId::new(app.ids.next()),
        hash: value.hash().0,
        agent: agent.policy.agent,
        expires_at,
        revoked: false,
    };
    let mac = app.policy_mac.tag(TOKEN_MAC, &policy.canonical());
    let row = TokenRow {
        org: agent.policy.org,
        name,
        policy: &policy,
        mac: &mac,
        at: app.clock.now(),
    };
    if !tokens::insert(tx, &row).await? {
        return Err(ApiError::not_found("agent"));
    }
    let made = find(app, tx, caller, policy.token).await?;
    Event::new(action, &policy.token)
        .within(agent.row.project)
        .after(&recorded(app, made))?
        .by(tx, caller)?;
    Ok(Made {
        id: policy.token,
        value,
        expires_at,
        agent,
    })
}

/// The token, with its agent.
///
/// # Errors
/// `not_found`, also for one that is out of the caller's reach.
pub(crate) async fn find(app: &App, conn: &mut Conn, caller: &Caller, id: TokenId) -> ApiResult<Found> {
    let gone = || ApiError::not_found("token");
    let row = tokens::get(conn, caller.org, id).await?.ok_or_else(gone)?;
    let agent = agent_of(app, conn, caller.org, row.agent)
        .await?
        .ok_or_else(gone)?;
    if !caller.reaches(agent.policy.project) {
        return Err(gone());
    }
    let policy = row.decode()?;
    let ours = app.policy_mac.verify(TOKEN_MAC, &row.policy, &row.mac);
    if !ours || policy.token != row.id || policy.hash != row.hash.0 || policy.agent != row.agent {
        return Err(ApiError::internal(Forged("token")));
    }
    Ok(Found { row, policy, agent })
}

impl Resource for Found {
    type Key = TokenId;
    const NOUN: &'static str = "token";

    async fn find(app: &App, conn: &mut Conn, caller: &Caller, key: &TokenId) -> ApiResult<Self> {
        find(app, conn, caller, *key).await
    }
}

async fn agent_of(app: &App, conn: &mut Conn, org: OrgId, id: AgentId) -> ApiResult<Option<Loaded>> {
    match agent_rows::get(conn, org, id).await? {
        Some(row) => agents::load(app, row).map(Some),
        None => Ok(None),
    }
}

/// Ends a token for good. One that is revoked already stays so.
///
/// # Errors
/// The store's.
pub(crate) async fn revoke(app: &App, tx: &mut Tx, caller: &Caller, found: Found) -> ApiResult<Found> {
    let mut policy = found.policy.clone();
    policy.revoked = true;
    write(app, tx, caller, "revoke_token", found, policy).await
}

/// A new token of the same agent and name; the old one ends after `overlap_seconds`.
///
/// # Errors
/// `invalid_request`; `conflict` when the old one does not hold any more.
pub(crate) async fn rotate(
    app: &App,
    tx: &mut Tx,
    caller: &Caller,
    found: Found,
    overlap_seconds: u32,
) -> ApiResult<Made> {
    if overlap_seconds > MAX_OVERLAP_SECONDS {
        return Err(ApiError::field(
            "/overlapSeconds",
            format!("must be at most {MAX_OVERLAP_SECONDS}"),
        ));
    }
    let now = app.clock.now();
    if found.policy.check(now).is_err() {
        return Err(ApiError::new(Code::Conflict, "the token is revoked or expired")
            .remedy("make a new one with `POST /v1/tokens {\"agentId\": …}`"));
    }
    let (name, expires_at) = (found.row.name.clone(), found.policy.expires_at);
    let mut policy = found.policy.clone();
    if overlap_seconds == 0 {
        policy.revoked = true;
    } else {
        let end = now.plus(Duration::from_secs(u64::from(overlap_seconds)));
        policy.expires_at = Some(policy.expires_at.map_or(end, |at| at.min(end)));
    }
    let old = write(app, tx, caller, "rotate_token", found, policy).await?;
    issue(app, tx, caller, "rotate_token", old.agent, &name, expires_at).await
}

async fn write(
    app: &App,
    tx: &mut Tx,
    caller: &Caller,
    action: &'static str,
    found: Found,
    policy: TokenPolicy,
) -> ApiResult<Found> {
    let event = Event::new(action, &policy.token)
        .within(found.agent.row.project)
        .before(&recorded(app, found.clone()))?;
    let mac = app.policy_mac.tag(TOKEN_MAC, &policy.canonical());
    let row = TokenRow {
        org: found.row.org,
        name: &found.row.name,
        policy: &policy,
        mac: &mac,
        at: app.clock.now(),
    };
    tokens::update(tx, &row).await?;
    let row = tokens::get(tx, found.row.org, policy.token)
        .await?
        .ok_or_else(|| ApiError::not_found("token"))?;
    let written = Found { row, policy, ..found };
    event.after(&recorded(app, written.clone()))?.by(tx, caller)?;
    Ok(written)
}
