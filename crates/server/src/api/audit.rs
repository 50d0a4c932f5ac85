//! `/v1/audit`: who changed what. What is recorded, and when, is in `crate::audit`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keystore_core::ids::{AgentId, ApiKeyId, OrgId, UserId};
use keystore_store::audit::{self as rows, Filter, Stored};
use keystore_store::{Conn, agents, api_keys, users};
use keystore_wire::Page;
use keystore_wire::audit::{AuditEntry, ListAudit};
use serde::Deserialize;
use serde_json::Value;

use super::extract::Query;
use super::page::Slice;
use super::problem::ApiResult;
use crate::app::App;
use crate::audit::payloads::Openers;
use crate::auth::require::{Require, SeeAudit};

/// The audit log, newest first: every change that was made through this API.
#[utoipa::path(get, path = "/v1/audit", tag = "audit", params(ListAudit),
    responses((status = 200, body = Page<AuditEntry>)))]
pub(super) async fn list_audit(
    State(app): State<Arc<App>>,
    caller: Require<SeeAudit>,
    Query(query): Query<ListAudit>,
) -> ApiResult<Json<Page<AuditEntry>>> {
    let slice = Slice::<u64>::of(query.limit, query.after.as_deref())?;
    let mut conn = app.store.read().await?;
    let filter = Filter {
        project: caller.narrow(&mut conn, query.project.as_deref()).await?,
        action: query.action,
        actor: query.actor,
        subject: query.subject,
        since: query.since.map(Into::into),
        until: query.until.map(Into::into),
    };
    let found = rows::list(&mut conn, caller.org, &filter, slice.after, slice.read()).await?;
    drop(conn);
    let openers = Openers::of(&app, caller.org).await?;
    let mut conn = app.store.read().await?;
    let mut names = Names::default();
    let mut entries = Vec::with_capacity(found.len());
    for row in found {
        entries.push(wire(&mut conn, &mut names, caller.org, &openers, row).await?);
    }
    Ok(Json(slice.page(
        entries,
        |entry| entry.seq.to_string(),
        |entry| entry,
    )))
}

/// What the payload holds beside its salt.
#[derive(Deserialize, Default)]
struct Payload {
    before: Value,
    after: Value,
    /// In entries that do not say it themselves.
    #[serde(default)]
    address: Option<String>,
}

async fn wire(
    conn: &mut Conn,
    names: &mut Names,
    org: OrgId,
    openers: &Openers,
    row: Stored,
) -> ApiResult<AuditEntry> {
    let entry = row.entry()?;
    let text: Option<String> = openers
        .open(row.payload, row.sealed.as_deref(), &entry.payload_sha256)
        .into();
    // Erased, or written by this crate.
    let payload: Payload = text
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    Ok(AuditEntry {
        seq: entry.seq,
        at: entry.at.into(),
        action: entry.action,
        actor_name: names.of(conn, org, &entry.actor).await?,
        actor: entry.actor,
        subject: entry.subject,
        project_id: entry.project,
        address: entry.address.or(payload.address),
        request_id: entry.request,
        before: payload.before,
        after: payload.after,
    })
}

/// The names of actors that still exist.
#[derive(Default)]
struct Names(BTreeMap<String, Option<String>>);

impl Names {
    async fn of(&mut self, conn: &mut Conn, org: OrgId, actor: &str) -> ApiResult<Option<String>> {
        if let Some(known) = self.0.get(actor) {
            return Ok(known.clone());
        }
        let name = if let Ok(user) = actor.parse::<UserId>() {
            users::get(conn, user).await?.map(|user| user.email)
        } else if let Ok(key) = actor.parse::<ApiKeyId>() {
            api_keys::get(conn, org, key).await?.map(|key| key.name)
        } else if let Ok(agent) = actor.parse::<AgentId>() {
            agents::get(conn, org, agent).await?.map(|agent| agent.name)
        } else {
            None
        };
        self.0.insert(actor.to_owned(), name.clone());
        Ok(name)
    }
}
