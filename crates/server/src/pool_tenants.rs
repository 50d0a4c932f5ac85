//! What the operator says of a customer inside a pool: its share, its cap, whether it is paused; and the rule by which it is paused.

use keystore_core::abuse::{MAX_COUNT, POOL_WINDOW_SECONDS, pool_rule};
use keystore_core::ids::OrgId;
use keystore_core::policy::{PausedBy, PoolRule, TenantPolicy};
use keystore_store::pool_tenants::{self as rows, PoolTenant};
use keystore_store::{Conn, Tx, orgs};
use keystore_wire::pool_tenants::{PoolRule as ShownRule, PoolTenant as Shown, SetPoolRule, SetPoolTenant};

use crate::agents::Forged;
use crate::api::problem::{ApiError, ApiResult, Fields};
use crate::app::App;
use crate::audit::Event;
use crate::auth::caller::Caller;
use crate::pools::{MAX_CONCURRENCY, MAX_WEIGHT};
use crate::providers;

/// The purposes of the MACs, as the data plane checks them.
const TENANT_MAC: &str = "pool_tenant";
const RULE_MAC: &str = "pool_rule";

/// What holds for a customer.
///
/// # Errors
/// `internal` when it is not ours.
pub(crate) async fn policy(
    app: &App,
    conn: &mut Conn,
    provider: &str,
    org: OrgId,
) -> ApiResult<TenantPolicy> {
    match rows::get(conn, provider, org).await? {
        Some(row) => authentic(app, &row),
        None => Ok(TenantPolicy::usual(org, provider)),
    }
}

fn authentic(app: &App, row: &PoolTenant) -> ApiResult<TenantPolicy> {
    let forged = || ApiError::internal(Forged("customer of a pool"));
    if !app.policy_mac.verify(TENANT_MAC, &row.policy, &row.mac) {
        return Err(forged());
    }
    let policy = row.decode()?;
    match policy.org == row.org && policy.provider == row.provider {
        true => Ok(policy),
        false => Err(forged()),
    }
}

async fn put(app: &App, tx: &mut Tx, policy: &TenantPolicy) -> ApiResult<()> {
    let mac = app.policy_mac.tag(TENANT_MAC, &policy.canonical());
    Ok(rows::put(tx, policy, &mac, app.clock.now()).await?)
}

/// All that was said, or what was said of one pool.
///
/// # Errors
/// `internal` when something is not ours.
pub(crate) async fn list(app: &App, conn: &mut Conn, provider: Option<&str>) -> ApiResult<Vec<Shown>> {
    let found = rows::list(conn, provider).await?;
    found
        .iter()
        .map(|row| authentic(app, row).map(|policy| shown(&policy)))
        .collect()
}

fn shown(policy: &TenantPolicy) -> Shown {
    Shown {
        provider: policy.provider.clone(),
        org_id: policy.org,
        weight: policy.weight,
        max_concurrency: policy.max_concurrency,
        paused_by: policy.paused.map(|by| by.as_str().to_owned()),
    }
}

/// Changes what the request names. In force on the next call.
///
/// # Errors
/// `invalid_request`, `not_found`.
pub(crate) async fn set(app: &App, caller: &Caller, body: SetPoolTenant) -> ApiResult<Shown> {
    providers::catalog(&body.provider, app.settings.dev)?;
    let mut tx = app.store.begin().await?;
    if orgs::get(&mut tx, body.org).await?.is_none() {
        return Err(ApiError::not_found("organization"));
    }
    let before = policy(app, &mut tx, &body.provider, body.org).await?;
    let mut after = before.clone();
    after.weight = body.weight.unwrap_or(before.weight);
    after.max_concurrency = body.max_concurrency.apply(before.max_concurrency);
    match (body.paused, before.paused) {
        (Some(false), _) => after.paused = None,
        (Some(true), None) => after.paused = Some(PausedBy::Operator),
        (Some(true), Some(_)) | (None, _) => {}
    }
    let mut fields = Fields::default();
    if !(1..=MAX_WEIGHT).contains(&after.weight) {
        fields.wrong("/weight", format!("expected 1 to {MAX_WEIGHT}"));
    }
    if after
        .max_concurrency
        .is_some_and(|most| !(1..=MAX_CONCURRENCY).contains(&most))
    {
        fields.wrong("/maxConcurrency", format!("expected 1 to {MAX_CONCURRENCY}"));
    }
    fields.check()?;
    put(app, &mut tx, &after).await?;
    Event::new("set_pool_tenant", &body.org)
        .before(&shown(&before))?
        .after(&shown(&after))?
        .by(&mut tx, caller)?;
    tx.commit().await?;
    Ok(shown(&after))
}

/// Pauses a customer because the rule of the pool says so. `false` where the organization has ended.
///
/// # Errors
/// The store's.
pub(crate) async fn pause_by_rule(
    app: &App,
    tx: &mut Tx,
    operator: OrgId,
    before: TenantPolicy,
) -> ApiResult<bool> {
    if orgs::get(tx, before.org).await?.is_none() {
        return Ok(false);
    }
    let after = TenantPolicy {
        paused: Some(PausedBy::Rule),
        ..before.clone()
    };
    put(app, tx, &after).await?;
    Event::new("set_pool_tenant", &after.org)
        .before(&shown(&before))?
        .after(&shown(&after))?
        .by_system(tx, operator)?;
    Ok(true)
}

/// The rules of the pools.
///
/// # Errors
/// `internal` when one is not ours.
pub(crate) async fn rules(app: &App, conn: &mut Conn) -> ApiResult<Vec<ShownRule>> {
    let mut rules = Vec::new();
    for row in rows::rules(conn, None).await? {
        let rule = row.decode()?;
        if !app.policy_mac.verify(RULE_MAC, &row.policy, &row.mac) || rule.provider != row.provider {
            return Err(ApiError::internal(Forged("rule of a pool")));
        }
        rules.push(shown_rule(&rule));
    }
    Ok(rules)
}

fn shown_rule(rule: &PoolRule) -> ShownRule {
    ShownRule {
        provider: rule.provider.clone(),
        action: rule.abuse.action,
        threshold: u32::try_from(rule.abuse.threshold).unwrap_or(u32::MAX),
        window_seconds: rule.abuse.window_seconds,
    }
}

/// Sets the rule of a pool.
///
/// # Errors
/// `invalid_request`, `not_found`.
pub(crate) async fn set_rule(app: &App, caller: &Caller, body: SetPoolRule) -> ApiResult<ShownRule> {
    providers::catalog(&body.provider, app.settings.dev)?;
    let mut abuse = pool_rule(body.action);
    let mut fields = Fields::default();
    if let Some(threshold) = body.threshold {
        abuse.threshold = i64::from(threshold);
        if !(1..=MAX_COUNT).contains(&abuse.threshold) {
            fields.wrong("/threshold", format!("expected 1 to {MAX_COUNT}"));
        }
    }
    if let Some(seconds) = body.window_seconds {
        abuse.window_seconds = seconds;
        if !POOL_WINDOW_SECONDS.contains(&seconds) {
            let (least, most) = POOL_WINDOW_SECONDS.into_inner();
            fields.wrong("/windowSeconds", format!("expected {least} to {most}"));
        }
    }
    fields.check()?;
    let rule = PoolRule {
        provider: body.provider,
        abuse,
    };
    let mut tx = app.store.begin().await?;
    let rules = rules(app, &mut tx).await?;
    let before = rules.into_iter().find(|before| before.provider == rule.provider);
    let mac = app.policy_mac.tag(RULE_MAC, &rule.canonical());
    rows::put_rule(&mut tx, &rule, &mac, app.clock.now()).await?;
    let shown = shown_rule(&rule);
    Event::new("set_pool_rule", &caller.org)
        .before(&before)?
        .after(&shown)?
        .by(&mut tx, caller)?;
    tx.commit().await?;
    Ok(shown)
}
