//! Exports of the log: with proofs (NDJSON), for spreadsheets (CSV), and for security tools (OCSF). What each line says is made from the
//! leaf alone (`records`).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use keystore_core::audit::Leaf;
use keystore_core::csv::{cell, text};
use keystore_store::{Conn, StoreError};
use keystore_wire::audit_proofs::{EXPORT_FORMAT, ExportEnd, ExportForm, ExportHead, ProvenRecord};
use keystore_wire::problem::Code;
use serde_json::{Value, json};

use super::notary;
use super::payloads::Openers;
use super::proofs::{Hashes, to_text};
use super::records::record;
use super::walk::{Found, Scope, Walk};
use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;

/// The columns of the CSV form.
const COLUMNS: [&str; 22] = [
    "index",
    "kind",
    "at",
    "seq",
    "action",
    "actor",
    "subject",
    "projectId",
    "requestId",
    "attemptId",
    "agentId",
    "tokenId",
    "provider",
    "operation",
    "method",
    "path",
    "model",
    "credentialId",
    "ending",
    "status",
    "code",
    "costNanoUsd",
];

/// An export that is under way.
pub(crate) struct Export {
    app: Arc<App>,
    form: ExportForm,
    walk: Walk,
    openers: Openers,
    hashes: Hashes,
    head: ExportHead,
    records: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Begin,
    Walk,
    Over,
}

impl Export {
    /// An export of everything that is recorded now. Signs a checkpoint of it, unless there is one.
    ///
    /// # Errors
    /// `invalid_request` when `from` is no size that the log had; the store's and the vault's.
    pub(crate) async fn begin(
        app: &Arc<App>,
        form: ExportForm,
        scope: Scope,
        from: Option<u64>,
    ) -> ApiResult<Self> {
        let newest = notary::up_to_date(app).await?;
        let openers = Openers::of(app, scope.org).await?;
        let mut conn = app.store.read().await?;
        let mut hashes = Hashes::of(newest.size);
        let consistency = match from {
            Some(from) => hashes
                .consistency(&mut conn, from)
                .await?
                .ok_or_else(|| ApiError::field("?from", format!("the log has {} records", newest.size)))?,
            None => Vec::new(),
        };
        let head = ExportHead {
            format: EXPORT_FORMAT.to_owned(),
            checkpoint: newest.note,
            org_id: scope.org.to_string(),
            project_id: scope.project.map(|id| id.to_string()),
            since: scope.since.map(Into::into),
            until: scope.until.map(Into::into),
            from,
            consistency: to_text(&consistency),
        };
        Ok(Self {
            walk: Walk::begin(&mut conn, scope, newest.size).await?,
            app: Arc::clone(app),
            form,
            openers,
            hashes,
            head,
            records: 0,
            state: State::Begin,
        })
    }

    /// The next lines, perhaps none; `None` after the last.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn next(&mut self) -> ApiResult<Option<String>> {
        match self.state {
            State::Over => Ok(None),
            State::Begin => {
                self.state = State::Walk;
                let line = match self.form {
                    ExportForm::Ndjson => line(&self.head)?,
                    ExportForm::Csv => format!("{}\r\n", COLUMNS.join(",")),
                    ExportForm::Ocsf => String::new(),
                };
                Ok(Some(line))
            }
            State::Walk => {
                let mut conn = self.app.store.read().await?;
                let Some(found) = self.walk.step(&mut conn).await? else {
                    self.state = State::Over;
                    let end = ExportEnd {
                        records: self.records,
                    };
                    return match self.form {
                        ExportForm::Ndjson => line(&end).map(Some),
                        ExportForm::Csv | ExportForm::Ocsf => Ok(None),
                    };
                };
                let mut lines = String::new();
                for found in found {
                    lines.push_str(&self.line(&mut conn, found).await?);
                    self.records += 1;
                }
                Ok(Some(lines))
            }
        }
    }

    /// Sends all of it, until the reader leaves.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn send(mut self, sender: tokio::sync::mpsc::Sender<Bytes>) -> ApiResult<()> {
        while let Some(lines) = self.next().await? {
            if !lines.is_empty() && sender.send(lines.into()).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn line(&mut self, conn: &mut Conn, found: Found) -> ApiResult<String> {
        match self.form {
            ExportForm::Ndjson => line(&proven(conn, &mut self.hashes, &self.openers, found).await?),
            ExportForm::Csv => Ok(csv_line(found.index, &words(&found.leaf)?)),
            ExportForm::Ocsf => {
                let record = words(&found.leaf)?;
                line(&ocsf(found.index, &record))
            }
        }
    }
}

fn words(leaf: &[u8]) -> Result<Value, StoreError> {
    let leaf = Leaf::read(leaf).map_err(|error| StoreError::damaged(error.to_string()))?;
    Ok(record(&leaf))
}

fn line(value: &impl serde::Serialize) -> ApiResult<String> {
    let mut text = serde_json::to_string(value).map_err(ApiError::internal)?;
    text.push('\n');
    Ok(text)
}

/// A record with its proof and, where it is there, its payload.
///
/// # Errors
/// The store's; `internal` where hashes are missing.
pub(crate) async fn proven(
    conn: &mut Conn,
    hashes: &mut Hashes,
    openers: &Openers,
    found: Found,
) -> ApiResult<ProvenRecord> {
    let leaf = Leaf::read(&found.leaf).map_err(ApiError::internal)?;
    let payload = match &leaf {
        Leaf::Change(entry) => {
            let (plain, sealed) = found.payload;
            openers
                .open(plain, sealed.as_deref(), &entry.payload_sha256)
                .into()
        }
        Leaf::Call(_) => None,
    };
    let proof = hashes.inclusion(conn, found.index).await?;
    let proof = proof.ok_or_else(|| ApiError::new(Code::Internal, "the record is not in the tree yet"))?;
    Ok(ProvenRecord {
        index: found.index,
        proof: to_text(&proof),
        record: record(&leaf),
        leaf: BASE64.encode(&found.leaf),
        payload,
    })
}

fn csv_line(index: u64, record: &Value) -> String {
    let cells = COLUMNS.map(|column| match (column, &record[column]) {
        ("index", _) => index.to_string(),
        (_, Value::String(value)) => cell(&text(value)),
        (_, Value::Null) => String::new(),
        (_, other) => other.to_string(),
    });
    format!("{}\r\n", cells.join(","))
}

/// A record as an event of OCSF 1.3: sign-ins are Authentication (3002), everything else API Activity (6003).
fn ocsf(index: u64, record: &Value) -> Value {
    let word = |name: &str| record[name].as_str();
    let kind = word("kind").unwrap_or_default();
    let action = word("action").or(word("operation")).unwrap_or(kind);
    let is_sign_in = matches!(
        action,
        "log_in"
            | "verify_second_factor"
            | "sign_in_with_passkey"
            | "log_out"
            | "exchange_code"
            | "refresh_session"
    );
    let (category, class) = match is_sign_in {
        true => (3, 3002),
        false => (6, 6003),
    };
    let activity = match (is_sign_in, action) {
        (true, "log_out") => 2,
        (true, _) => 1,
        (false, _) => activity(action),
    };
    let failed = word("code").is_some() || record["status"].as_u64().is_some_and(|status| status >= 400);
    let at = word("at").and_then(|at| at.parse::<jiff::Timestamp>().ok());
    json!({
        "category_uid": category,
        "class_uid": class,
        "activity_id": activity,
        "type_uid": class * 100 + activity,
        "severity_id": 1,
        "status_id": if failed { 2 } else { 1 },
        "status_code": word("code"),
        // A top-up does not say when it was.
        "time": at.map_or(0, jiff::Timestamp::as_millisecond),
        "metadata": {
            "version": "1.3.0",
            "uid": index.to_string(),
            "product": {"name": "Keystore", "vendor_name": "Keystore"},
        },
        "actor": {"user": {"uid": word("actor").or(word("agentId")).unwrap_or("unknown")}},
        "api": {"operation": action, "service": {"name": word("provider").unwrap_or("keystore")}},
        "src_endpoint": {"ip": word("address")},
        "resources": [{"uid": word("subject").or(word("credentialId")).or(word("attemptId"))}],
        "unmapped": record,
    })
}

/// Create, read, update, delete, other: by how operations are named.
fn activity(action: &str) -> u64 {
    let begins = |words: &[&str]| words.iter().any(|word| action.starts_with(word));
    match () {
        () if begins(&["create_", "add_", "sign_up", "accept_"]) => 1,
        () if begins(&["get_", "list_"]) => 2,
        () if begins(&["update_", "set_", "rotate_", "pause_", "resume_", "raise_"]) => 3,
        () if begins(&["delete_", "remove_", "revoke_", "unset_"]) => 4,
        () => 99,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        let record = json!({"kind": "call", "at": "2026-11-23T09:30:00.000Z", "path": "=cmd|' /C calc'!A0", "model": "a,\"b\"", "status": 200});
        let line = csv_line(7, &record);
        assert!(line.starts_with("7,call,2026-11-23T09:30:00.000Z,,"), "{line}");
        assert!(line.contains("'=cmd|"), "{line}");
        assert!(line.contains("\"a,\"\"b\"\"\""), "{line}");
        assert_eq!(line.matches("\r\n").count(), 1);
    }

    #[test]
    fn an_event_has_the_members_that_ocsf_requires() {
        let change = json!({"kind": "change", "at": "2026-11-23T09:30:00.000Z", "action": "delete_agent", "actor": "usr_x", "subject": "agt_x"});
        let event = ocsf(3, &change);
        assert_eq!(
            (&event["class_uid"], &event["type_uid"]),
            (&json!(6003), &json!(600_304))
        );
        assert_eq!(event["time"], json!(1_795_426_200_000_i64));
        let sign_in = json!({"kind": "change", "at": "2026-11-23T09:30:00.000Z", "action": "log_in", "actor": "usr_x", "subject": "usr_x"});
        assert_eq!(ocsf(4, &sign_in)["type_uid"], json!(300_201));
        let refused = json!({"kind": "refusal", "at": "2026-11-23T09:30:00.000Z", "code": "budget_exceeded", "status": 402});
        assert_eq!(ocsf(5, &refused)["status_id"], json!(2));
    }
}
