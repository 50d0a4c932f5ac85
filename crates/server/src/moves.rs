//! Moving agents' grants of a provider between their own credentials and the pool, many at once in one step; and back.

use std::collections::HashSet;
use std::time::Duration;

use keystore_core::ids::{AgentId, BudgetId, CredentialId, MoveId};
use keystore_core::policy::{AgentStatus, Fallback, Former, Grant, Source};
use keystore_core::{Bucket, NanoUsd, Usage};
use keystore_store::moves::{self, Move};
use keystore_store::{Conn, Tx, agents as agent_rows, projects, usage};
use keystore_wire::agents::{FallbackInput, GrantInput};
use keystore_wire::marketplace::{CreateMigration, Migration, MigrationEffect, MovedAgent};
use keystore_wire::problem::Code;
use serde::{Deserialize, Serialize};

use crate::agents::{self, Loaded};
use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::audit::Event;
use crate::auth::caller::Caller;
use crate::auth::require::Resource;
use crate::grants::{self, Labelled};
use crate::marketplace::Shop;
use crate::providers;

/// The most agents that move at once.
const MAX_AGENTS: usize = 10_000;
/// Agents that are read at a time.
const AT_A_TIME: u32 = 500;
/// Groups of usage that are looked at.
const MAX_GROUPS: u32 = 100_000;
/// The days of usage that a dry run looks at.
const PERIOD: Duration = Duration::from_secs(30 * 86_400);

/// An agent of a move, as it is kept. What its grant is for does not change by it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Moved {
    agent: AgentId,
    name: String,
    /// The credential before: of `byok` alone.
    from: Option<CredentialId>,
    to: Option<CredentialId>,
    /// What stood in for the credential before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fallback: Option<StoodIn>,
}

/// A fallback, as it is kept.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct StoodIn {
    monthly: NanoUsd,
    budget: BudgetId,
}

impl Resource for Move {
    type Key = MoveId;
    const NOUN: &'static str = "migration";

    async fn find(_: &App, conn: &mut Conn, caller: &Caller, key: &MoveId) -> ApiResult<Self> {
        let found = moves::get(conn, caller.org, *key).await?;
        found
            .filter(|_| caller.project.is_none())
            .ok_or_else(|| ApiError::not_found(Self::NOUN))
    }
}

/// Moves the grants, or says what that would do.
///
/// # Errors
/// `not_found`, `conflict` with what keeps an agent from moving.
pub(crate) async fn create(
    app: &App,
    tx: &mut Tx,
    caller: &Caller,
    new: CreateMigration,
) -> ApiResult<Migration> {
    caller.whole_org()?;
    let provider = providers::find(app, tx, caller.org, &new.provider).await?;
    let concerned = concerned(app, tx, caller, &new).await?;
    let mut moving = Vec::new();
    for agent in concerned {
        let next = next(app, tx, &agent, &new).await;
        moving.push((agent, next));
    }
    if new.dry_run {
        let ids: Vec<_> = moving.iter().map(|(agent, _)| agent.policy.agent).collect();
        let effect = effect(app, tx, caller, &provider, (&ids, new.to)).await?;
        let agents = moving
            .into_iter()
            .map(|(agent, next)| planned(&agent, &new.provider, next));
        return Ok(Migration {
            id: None,
            provider: new.provider.clone(),
            to: new.to,
            agents: agents.collect::<ApiResult<_>>()?,
            effect: Some(effect),
            at: None,
            undone_at: None,
        });
    }
    if moving.is_empty() {
        return Err(ApiError::new(
            Code::Conflict,
            format!(
                "no agent is granted {} from anywhere else than `{}`",
                new.provider,
                new.to.as_str()
            ),
        )
        .remedy("`ks agent list` shows what each may use"));
    }
    let mut moved = Vec::new();
    for (agent, next) in moving {
        moved.push(put(app, tx, agent, next?).await?);
    }
    let row = Move {
        id: MoveId::new(app.ids.next()),
        org: caller.org,
        provider: new.provider,
        target: new.to,
        body: serde_json::to_value(&moved).map_err(ApiError::internal)?,
        at: app.clock.now(),
        undone_at: None,
    };
    moves::insert(tx, &row).await?;
    let shown = wire(row)?;
    Event::new("create_migration", &caller.org)
        .before(&serde_json::json!({"source": other(new.to)}))?
        .after(&shown)?
        .by(tx, caller)?;
    Ok(shown)
}

/// Moves the agents back that are still where a move put them, to what they had there.
///
/// # Errors
/// `conflict` when it was undone before, or an agent was changed since, or its credential was deleted; those of [`grants::resolve`].
pub(crate) async fn undo(app: &App, tx: &mut Tx, caller: &Caller, row: Move) -> ApiResult<Migration> {
    let moved: Vec<Moved> = serde_json::from_value(row.body.clone()).map_err(ApiError::internal)?;
    let now = app.clock.now();
    if !moves::undo(tx, row.org, row.id, now).await? {
        return Err(ApiError::new(Code::Conflict, "the migration was undone before"));
    }
    let mut held = Vec::new();
    for one in &moved {
        let Some(agent) = agent_rows::get(tx, row.org, one.agent).await? else {
            // Whoever is gone cannot go back.
            continue;
        };
        let agent = agents::load(app, agent)?;
        if agent.policy.status == AgentStatus::Revoked {
            continue;
        }
        let stands = agent.policy.grant(&row.provider).is_some_and(|grant| {
            grant.source == row.target && grant.credential == one.to && grant.fallback.is_none()
        });
        if !stands {
            held.push(format!("`{}` was changed since", one.name));
            continue;
        }
        match before(app, tx, &agent, &row, one).await {
            Ok(before) => {
                put(app, tx, agent, before).await?;
            }
            Err(error) if error.code() == Code::NotFound => {
                held.push(format!("the credential that `{}` had was deleted", one.name));
            }
            Err(error) => return Err(error),
        }
    }
    if !held.is_empty() {
        let provider = &row.provider;
        return Err(ApiError::new(
            Code::Conflict,
            format!("nothing was moved back: {}", held.join("; ")),
        )
        .remedy(match other(row.target) {
            Source::Byok => {
                format!("move the agents one by one, naming each: `ks migrate {provider} --to byok --agent <agent>`")
            }
            Source::Marketplace => {
                format!("move the agents one by one, naming each: `ks migrate {provider} --to marketplace --agent <agent>`")
            }
        }));
    }
    let shown = wire(Move {
        undone_at: Some(now),
        ..row
    })?;
    Event::new("undo_migration", &caller.org)
        .after(&shown)?
        .by(tx, caller)?;
    Ok(shown)
}

/// Those of the agents that are named, or of all, that have the provider from the other side; each once.
async fn concerned(app: &App, tx: &mut Tx, caller: &Caller, new: &CreateMigration) -> ApiResult<Vec<Loaded>> {
    let mut found = Vec::new();
    if let Some(named) = &new.agents {
        if named.len() > MAX_AGENTS {
            let most = format!("may have at most {MAX_AGENTS} entries; move them in several steps");
            return Err(ApiError::field("/agents", most));
        }
        let mut seen = HashSet::new();
        for name in named {
            let agent = agents::find(app, tx, caller, name).await?;
            match agent.policy.grant(&new.provider) {
                Some(grant) if grant.source == new.to || !seen.insert(agent.row.id) => {}
                Some(_) => found.push(agent),
                None => {
                    return Err(ApiError::new(
                        Code::Conflict,
                        format!("`{name}` is not granted {}", new.provider),
                    )
                    .remedy("grant it: `ks agent update <agent> --provider <provider>`"));
                }
            }
        }
        return Ok(found);
    }
    let mut after = None;
    loop {
        let page = agent_rows::list(tx, caller.org, None, after, AT_A_TIME).await?;
        after = page.last().map(|agent| agent.id);
        let is_full = page.len() == AT_A_TIME as usize;
        for row in page {
            let agent = agents::load(app, row)?;
            let moves = agent
                .policy
                .grant(&new.provider)
                .is_some_and(|grant| grant.source != new.to);
            if moves && agent.policy.status != AgentStatus::Revoked {
                found.push(agent);
            }
        }
        if found.len() > MAX_AGENTS {
            return Err(ApiError::new(
                Code::Conflict,
                format!("more than {MAX_AGENTS} agents would move at once"),
            )
            .remedy("name them in `agents`, in several steps"));
        }
        if !is_full {
            return Ok(found);
        }
    }
}

/// The grant that an agent would have. What it keeps of the present one, [`put`] adds.
async fn next(app: &App, tx: &mut Tx, agent: &Loaded, new: &CreateMigration) -> ApiResult<Grant> {
    let wanted = GrantInput {
        name: new.provider.clone(),
        source: new.to,
        credential: new.credential.clone(),
        scopes: Vec::new(),
        fallback: None,
    };
    granted(app, tx, agent, wanted, &[]).await
}

/// The grant that an agent had before it was moved, if it may have it now.
async fn before(app: &App, tx: &mut Tx, agent: &Loaded, row: &Move, was: &Moved) -> ApiResult<Grant> {
    let source = match was.from {
        Some(_) => Source::Byok,
        None => other(row.target),
    };
    let fallback = was
        .fallback
        .map(|StoodIn { monthly, budget }| Fallback { monthly, budget });
    let wanted = GrantInput {
        name: row.provider.clone(),
        source,
        credential: was.from.map(|id| id.to_string()),
        scopes: Vec::new(),
        fallback: fallback.map(|fallback| FallbackInput {
            source: Source::Marketplace,
            budget_cents_monthly: fallback.monthly.cents_floor(),
        }),
    };
    let had = Grant {
        fallback,
        ..Grant::new(&row.provider, source, was.from)
    };
    granted(app, tx, agent, wanted, &[had]).await
}

async fn granted(
    app: &App,
    tx: &mut Tx,
    agent: &Loaded,
    wanted: GrantInput,
    present: &[Grant],
) -> ApiResult<Grant> {
    let org = agent.policy.org;
    let project = projects::get(tx, org, agent.policy.project).await?;
    let project = project.ok_or_else(|| ApiError::not_found("project"))?;
    let labelled = Labelled {
        project: &project,
        labels: &agent.policy.labels,
    };
    let made = grants::resolve(app, tx, org, labelled, &[wanted], (present, "")).await?;
    made.into_iter()
        .next()
        .ok_or_else(|| ApiError::not_found("provider"))
}

/// Writes an agent with its new grant in place of the old one: with the scopes of that, and where it was.
async fn put(app: &App, tx: &mut Tx, agent: Loaded, next: Grant) -> ApiResult<Moved> {
    let Loaded { row, mut policy } = agent;
    let place = policy
        .grants
        .iter_mut()
        .find(|grant| grant.provider == next.provider)
        .ok_or_else(|| ApiError::not_found("grant"))?;
    let moved = Moved {
        agent: row.id,
        name: row.name.clone(),
        from: place.credential,
        to: next.credential,
        fallback: place
            .fallback
            .map(|Fallback { monthly, budget }| StoodIn { monthly, budget }),
    };
    *place = Grant {
        scopes: std::mem::take(&mut place.scopes),
        former: Some(Former {
            source: place.source,
            credential: place.credential,
        }),
        ..next
    };
    agents::write(app, tx, &row.name, &policy, app.clock.now()).await?;
    Ok(moved)
}

const fn other(source: Source) -> Source {
    match source {
        Source::Byok => Source::Marketplace,
        Source::Marketplace => Source::Byok,
    }
}

/// What a dry run says of an agent: where it would go, or what keeps it.
fn planned(agent: &Loaded, provider: &str, next: ApiResult<Grant>) -> ApiResult<MovedAgent> {
    let from = agent.policy.grant(provider).and_then(|grant| grant.credential);
    let (to, obstacles) = match next {
        Ok(grant) => (grant.credential, Vec::new()),
        Err(error) if error.code() == Code::StoreUnavailable || error.code() == Code::Internal => {
            return Err(error);
        }
        Err(error) => (None, vec![error.to_string()]),
    };
    Ok(MovedAgent {
        id: agent.row.id,
        name: agent.row.name.clone(),
        from_credential_id: from,
        to_credential_id: to,
        obstacles,
    })
}

/// What the last days would have cost there, and what else is different.
async fn effect(
    app: &App,
    tx: &mut Tx,
    caller: &Caller,
    provider: &keystore_catalog::ProviderRef,
    (agents, to): (&[AgentId], Source),
) -> ApiResult<MigrationEffect> {
    let now = app.clock.now();
    let filter = usage::Filter {
        provider: Some(provider.slug.to_string()),
        since: Some(now.minus(PERIOD)),
        ..usage::Filter::default()
    };
    let by = [usage::By::Agent, usage::By::Model, usage::By::Source];
    let rows = usage::grouped(tx, caller.org, &by, &filter, MAX_GROUPS).await?;
    let shop = Shop::of(app, tx, caller.org).await?;
    let own = crate::scopes::get(app, tx, caller.org, None).await?.prices;
    let (mut calls, mut cost, mut there) = (0, NanoUsd::ZERO, NanoUsd::ZERO);
    let mut unpriced = Vec::new();
    let concerned = rows.iter().filter(|row| {
        row.agent.is_some_and(|agent| agents.contains(&agent)) && row.source == Some(other(to))
    });
    for row in concerned {
        calls += row.calls;
        cost = NanoUsd(cost.0.saturating_add(row.cost.0));
        let model = row.model.as_deref().unwrap_or_default();
        let used = Usage::ZERO
            .with(Bucket::InputUncached, row.input_tokens)
            .with(Bucket::CacheRead, row.cache_read_tokens)
            .with(Bucket::CacheWrite, row.cache_write_tokens)
            .with(Bucket::OutputText, row.output_tokens)
            .with(Bucket::Reasoning, row.reasoning_tokens);
        if used == Usage::ZERO {
            // Not by the token: nothing is known of it but what it cost.
            there = NanoUsd(there.0.saturating_add(row.cost.0));
            continue;
        }
        let price = match to {
            Source::Marketplace => shop.sold(provider, model).map(|sold| sold.price),
            Source::Byok => keystore_proxy::prices::find(&own, provider, model, now)
                .0
                .map(|price| (*price).clone()),
        };
        let charged =
            price.and_then(|price| price.charge(&used, &keystore_core::price::Terms::default()).ok());
        match charged {
            Some(amount) => there = NanoUsd(there.0.saturating_add(amount.0)),
            None => unpriced.push(model.to_owned()),
        }
    }
    unpriced.sort();
    unpriced.dedup();
    let notes = match to {
        Source::Marketplace => vec![
            "The operator of this deployment bills it, from your credit; every call is held at the most that it can cost.".to_owned(),
            "The provider's rate limits are shared with other customers; your own limits on agents stay.".to_owned(),
            "Only operations with a price are sold; what reads or changes an account at the provider is not.".to_owned(),
        ],
        Source::Byok => vec![
            "The provider bills it, by your contract; `ks price set` says what you pay where that is not the list.".to_owned(),
            "The provider's rate limits are those of your own key; your own limits on agents stay.".to_owned(),
        ],
    };
    Ok(MigrationEffect {
        calls,
        cost,
        cost_there: unpriced.is_empty().then_some(there),
        unpriced,
        notes,
    })
}

/// A move as answers and the audit log show it.
///
/// # Errors
/// `internal` for a row that cannot be read.
pub(crate) fn wire(row: Move) -> ApiResult<Migration> {
    let moved: Vec<Moved> = serde_json::from_value(row.body).map_err(ApiError::internal)?;
    let agents = moved.into_iter().map(|one| MovedAgent {
        id: one.agent,
        name: one.name,
        from_credential_id: one.from,
        to_credential_id: one.to,
        obstacles: Vec::new(),
    });
    Ok(Migration {
        id: Some(row.id),
        provider: row.provider,
        to: row.target,
        agents: agents.collect(),
        effect: None,
        at: Some(row.at.into()),
        undone_at: row.undone_at.map(Into::into),
    })
}
