//! The operator's pooled credentials: stored as every credential is, in the operator's organization, with a policy beside them that says
//! whom they serve and how much.

use keystore_core::ids::{CredentialId, OrgId};
use keystore_core::policy::{PoolPolicy, PoolState, Source};
use keystore_store::credentials::{self as rows, Credential, CredentialStatus};
use keystore_store::pools::{self, PoolCredential};
use keystore_store::{Conn, Tx, orgs};
use keystore_wire::operator::{CreatePoolCredential, UpdatePoolCredential};
use keystore_wire::problem::Code;

use crate::agents::Forged;
use crate::api::operator::recorded;
use crate::api::problem::{ApiError, ApiResult, Fields};
use crate::app::App;
use crate::audit::Event;
use crate::auth::caller::Caller;
use crate::auth::require::Resource;
use crate::credentials;
use crate::price_book;

/// The purpose of the MACs, as the data plane checks them.
const POOL_MAC: &str = "pool";

/// The highest weight.
pub(crate) const MAX_WEIGHT: u32 = 1_000;
/// The highest cap of calls at the same time.
pub(crate) const MAX_CONCURRENCY: u32 = 1_000_000;

/// A pooled credential with its policy.
#[derive(Clone)]
pub(crate) struct Member {
    /// The credential.
    pub(crate) credential: Credential,
    /// What holds for it in the pool.
    pub(crate) policy: PoolPolicy,
}

impl Resource for Member {
    type Key = CredentialId;
    const NOUN: &'static str = "pooled credential";

    async fn find(app: &App, conn: &mut Conn, caller: &Caller, key: &CredentialId) -> ApiResult<Self> {
        let found = get(app, conn, caller.org, *key).await?;
        found.ok_or_else(|| ApiError::not_found(Self::NOUN))
    }
}

/// All members of the operator's pools, or of one.
///
/// # Errors
/// `internal` when one is not ours.
pub(crate) async fn of_org(
    app: &App,
    conn: &mut Conn,
    org: OrgId,
    provider: Option<&str>,
) -> ApiResult<Vec<Member>> {
    let mut members = Vec::new();
    for row in pools::list(conn, org, provider).await? {
        members.push(load(app, conn, &row).await?);
    }
    Ok(members)
}

/// A member of the operator's pools; `None` when there is none.
///
/// # Errors
/// `internal` when it is not ours.
pub(crate) async fn get(
    app: &App,
    conn: &mut Conn,
    org: OrgId,
    credential: CredentialId,
) -> ApiResult<Option<Member>> {
    match pools::get(conn, org, credential).await? {
        Some(row) => Ok(Some(load(app, conn, &row).await?)),
        None => Ok(None),
    }
}

async fn load(app: &App, conn: &mut Conn, row: &PoolCredential) -> ApiResult<Member> {
    let forged = || ApiError::internal(Forged("pooled credential"));
    if !app.policy_mac.verify(POOL_MAC, &row.policy, &row.mac) {
        return Err(forged());
    }
    let policy = row.decode()?;
    let credential = rows::get(conn, row.org, row.credential).await?;
    let credential = credential.ok_or_else(|| ApiError::not_found(Member::NOUN))?;
    let fits = policy.credential == credential.id
        && policy.org == credential.org
        && policy.provider == credential.provider
        && credential.source == Source::Marketplace;
    match fits {
        true => Ok(Member { credential, policy }),
        false => Err(forged()),
    }
}

/// Adds a key to its provider's pool, and lists the provider if it is not listed. With `verify`, unless the vendor refuses it.
///
/// # Errors
/// Those of storing a credential.
pub(crate) async fn add(
    app: &App,
    caller: &Caller,
    new: CreatePoolCredential,
    verify: bool,
) -> ApiResult<Member> {
    let (weight, dedicated_to, max_concurrency) =
        (new.weight.unwrap_or(1), new.dedicated_to, new.max_concurrency);
    check(
        &mut app.store.read().await?,
        weight,
        dedicated_to,
        max_concurrency,
    )
    .await?;
    let stored = credentials::CreateCredential {
        provider: new.provider,
        project: None,
        name: new.name,
        secret: new.secret,
        params: new.params,
        base_url: new.base_url,
        labels: Vec::new(),
        agreements: std::collections::BTreeMap::new(),
        expires_at: new.expires_at,
        rotate_after: None,
    };
    let (credential, version) =
        credentials::prepare(app, caller, stored, Source::Marketplace, verify).await?;
    let policy = PoolPolicy {
        credential: credential.id,
        org: caller.org,
        provider: credential.provider.clone(),
        state: PoolState::Active,
        weight,
        dedicated_to,
        max_concurrency,
    };
    let member = Member { credential, policy };
    let mut tx = app.store.begin().await?;
    rows::insert(&mut tx, &member.credential, &version).await?;
    insert(app, &mut tx, &member.policy).await?;
    Event::new("create_pool_credential", &member.credential.id)
        .after(&recorded(&member))?
        .by(&mut tx, caller)?;
    price_book::list_new(app, &mut tx, caller, &member.policy.provider).await?;
    tx.commit().await?;
    Ok(member)
}

/// Changes what the request names.
///
/// # Errors
/// `invalid_request`; `conflict` for one that is revoked.
pub(crate) async fn update(
    app: &App,
    tx: &mut Tx,
    caller: &Caller,
    member: Member,
    change: UpdatePoolCredential,
) -> ApiResult<Member> {
    let mut changed = member.clone();
    let policy = &mut changed.policy;
    policy.weight = change.weight.unwrap_or(policy.weight);
    policy.dedicated_to = change.dedicated_to.apply(policy.dedicated_to);
    policy.max_concurrency = change.max_concurrency.apply(policy.max_concurrency);
    check(tx, policy.weight, policy.dedicated_to, policy.max_concurrency).await?;
    match (change.draining, policy.state) {
        (Some(true), PoolState::Active) => policy.state = PoolState::Draining,
        (Some(false), PoolState::Draining) => policy.state = PoolState::Active,
        (None, _) | (Some(true), PoolState::Draining) | (Some(false), PoolState::Active) => {}
        (Some(_), state) => {
            return Err(ApiError::new(
                Code::Conflict,
                format!(
                    "the credential is {}, so it neither serves nor drains",
                    state.as_str()
                ),
            ));
        }
    }
    write(app, tx, &changed.policy).await?;
    Event::new("update_pool_credential", &changed.credential.id)
        .before(&recorded(&member))?
        .after(&recorded(&changed))?
        .by(tx, caller)?;
    Ok(changed)
}

/// Puts a credential, stored in the same transaction, into its pool.
///
/// # Errors
/// The store's.
pub(crate) async fn insert(app: &App, tx: &mut Tx, policy: &PoolPolicy) -> ApiResult<()> {
    let mac = app.policy_mac.tag(POOL_MAC, &policy.canonical());
    Ok(pools::insert(tx, policy, &mac, app.clock.now()).await?)
}

/// Writes a policy.
///
/// # Errors
/// `not_found` when it was taken out meanwhile.
pub(crate) async fn write(app: &App, tx: &mut Tx, policy: &PoolPolicy) -> ApiResult<()> {
    let mac = app.policy_mac.tag(POOL_MAC, &policy.canonical());
    match pools::update(tx, policy, &mac, app.clock.now()).await? {
        true => Ok(()),
        false => Err(ApiError::not_found(Member::NOUN)),
    }
}

/// Takes a key out of its pool and deletes it. Calls that run end on it.
///
/// # Errors
/// The store's.
pub(crate) async fn remove(tx: &mut Tx, caller: &Caller, member: Member) -> ApiResult<()> {
    let id = member.credential.id;
    Event::new("delete_pool_credential", &id)
        .before(&recorded(&member))?
        .by(tx, caller)?;
    pools::delete(tx, caller.org, id).await?;
    rows::delete(tx, caller.org, id).await?;
    Ok(())
}

/// Whether a credential is one that could serve now, as far as the store knows.
pub(crate) fn may_serve(member: &Member) -> bool {
    member.policy.state == PoolState::Active
        && !matches!(
            member.credential.status,
            CredentialStatus::Invalid | CredentialStatus::Disabled
        )
}

async fn check(
    conn: &mut Conn,
    weight: u32,
    dedicated_to: Option<OrgId>,
    max_concurrency: Option<u32>,
) -> ApiResult<()> {
    let mut fields = Fields::default();
    if !(1..=MAX_WEIGHT).contains(&weight) {
        fields.wrong("/weight", format!("expected 1 to {MAX_WEIGHT}"));
    }
    if max_concurrency.is_some_and(|most| !(1..=MAX_CONCURRENCY).contains(&most)) {
        fields.wrong("/maxConcurrency", format!("expected 1 to {MAX_CONCURRENCY}"));
    }
    if let Some(org) = dedicated_to
        && orgs::get(conn, org).await?.is_none()
    {
        fields.wrong("/dedicatedTo", "there is no such organization");
    }
    fields.check()
}
