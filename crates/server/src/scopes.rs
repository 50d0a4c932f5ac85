//! What holds for an organization or a project as a whole: read, changed and signed again. Every one has such a policy, always;
//! without it none of its agents is served.

use keystore_core::ids::{OrgId, ProjectId};
use keystore_core::policy::ScopePolicy;
use keystore_store::scopes::{self, Scope};
use keystore_store::{Conn, Tx, projects};

use crate::agents::Forged;
use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;

/// The purpose of the MACs, as the data plane checks them.
pub(crate) const SCOPE_MAC: &str = "scope";

/// The policy of an organization, or of one of its projects.
///
/// # Errors
/// `internal` when it is missing or not ours.
pub(crate) async fn get(
    app: &App,
    conn: &mut Conn,
    org: OrgId,
    project: Option<ProjectId>,
) -> ApiResult<ScopePolicy> {
    let row = scopes::get(conn, org, project).await?.ok_or_else(forged)?;
    load(app, &row)
}

/// The policies of an organization and of all of its projects.
///
/// # Errors
/// `internal` when one is not ours.
pub(crate) async fn of_org(app: &App, conn: &mut Conn, org: OrgId) -> ApiResult<Vec<ScopePolicy>> {
    let rows = scopes::of_org(conn, org).await?;
    rows.iter().map(|row| load(app, row)).collect()
}

/// A policy that is ours. One that somebody else wrote is neither shown nor signed again by a later change.
fn load(app: &App, row: &Scope) -> ApiResult<ScopePolicy> {
    if !app.policy_mac.verify(SCOPE_MAC, &row.policy, &row.mac) {
        return Err(forged());
    }
    let policy = row.decode()?;
    match policy.org == row.org && policy.project == row.project {
        true => Ok(policy),
        false => Err(forged()),
    }
}

fn forged() -> ApiError {
    ApiError::internal(Forged("organization or project"))
}

/// Writes a policy.
///
/// # Errors
/// The store's.
pub(crate) async fn put(app: &App, tx: &mut Tx, policy: &ScopePolicy) -> ApiResult<()> {
    let mac = app.policy_mac.tag(SCOPE_MAC, &policy.canonical());
    scopes::put(tx, policy, &mac, app.clock.now()).await?;
    Ok(())
}

/// The newest migration without such policies.
const SCHEMA_BEFORE: i64 = 8;
/// The newest migration in which they did not hold the labels of projects.
const LABELS_BEFORE: i64 = 14;

/// Gives a policy to every organization and project of a version that knew none, in the start that brings the schema up to date. At
/// any other time one that is missing was taken away: then what it stopped must not go on.
///
/// # Errors
/// The store's.
pub(crate) async fn fill(app: &App, found_schema: i64) -> ApiResult<()> {
    if found_schema > SCHEMA_BEFORE {
        return match found_schema > LABELS_BEFORE {
            true => Ok(()),
            false => label(app).await,
        };
    }
    let missing = scopes::missing(&mut app.store.read().await?).await?;
    if missing.is_empty() {
        return label(app).await;
    }
    tracing::info!(
        count = missing.len(),
        "organizations and projects are given the policy that they lack"
    );
    let mut tx = app.store.begin().await?;
    for policy in &missing {
        put(app, &mut tx, policy).await?;
    }
    tx.commit().await?;
    label(app).await
}

/// Takes the labels of projects into their policies.
async fn label(app: &App) -> ApiResult<()> {
    let labelled = projects::labelled(&mut app.store.read().await?).await?;
    if labelled.is_empty() {
        return Ok(());
    }
    let mut tx = app.store.begin().await?;
    for project in labelled {
        let mut policy = get(app, &mut tx, project.org, Some(project.id)).await?;
        policy.labels = project.labels;
        put(app, &mut tx, &policy).await?;
    }
    tx.commit().await?;
    Ok(())
}
