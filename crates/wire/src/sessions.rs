//! A person's own sessions: `GET /v1/auth/sessions`, `DELETE /v1/auth/sessions/{session}`, `POST /v1/auth/sessions/end`.

use keystore_core::ids::{OrgId, SessionId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::Time;

/// A session of the caller. Its value is shown nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// The id.
    #[schema(value_type = String, example = "ses_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: SessionId,
    /// Whether it is the one that asks.
    pub current: bool,
    /// The program in which it began, as that named itself, shortened. Whoever signs in chooses it: it proves nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "Firefox on Linux")]
    pub client: Option<String>,
    /// The address from which it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "203.0.113.7")]
    pub address: Option<String>,
    /// The organization that it speaks for.
    #[schema(value_type = String, example = "org_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub org_id: OrgId,
    /// When it began.
    pub created_at: Time,
    /// When it was last used, to the minute or so.
    pub last_used_at: Time,
    /// When it ends unless it is used.
    pub expires_at: Time,
}

/// `POST /v1/auth/sessions/end`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"keepThis": true}))]
pub struct EndSessions {
    /// Whether the one that asks goes on.
    pub keep_this: bool,
}

/// The answer to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndedSessions {
    /// How many ended.
    #[schema(example = 3)]
    pub ended: u64,
}
