//! Tokens of agents: `GET|POST /v1/tokens`, `GET /v1/tokens/{id}`, `POST /v1/tokens/{id}/{revoke,rotate}`.
//!
//! The `ks_` value is shown once, in the answer that makes it.

use keystore_core::ids::{AgentId, TokenId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::agents::{Agent, GrantInput};
use crate::time::Time;

/// `POST /v1/tokens`: an agent and its token in one step, or, with `agentId`, one more token of an agent that exists; then
/// only `name` and `expiresAt` may stand beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "name": "production-agent",
    "providers": [{"name": "openai", "source": "byok"}, {"name": "anthropic", "source": "byok"}]
}))]
pub struct CreateToken {
    /// The agent (id or name) that gets one more token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "agt_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub agent_id: Option<String>,
    /// The name of the new agent and of its token; with `agentId`, of the token alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The project (id or slug); the caller's own, or `default`, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// What the new agent may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub providers: Option<Vec<GrantInput>>,
    /// Requests in any minute, per provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 1_000_000)]
    pub rpm_limit: Option<u32>,
    /// Requests in a UTC day, per provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 1_000_000)]
    pub rpd_limit: Option<u32>,
    /// US cents in a calendar month; absent is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub budget_cents_monthly: Option<i64>,
    /// When the token ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}

/// The answer to making or rotating a token.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedToken {
    /// The token's id.
    #[schema(value_type = String, example = "tok_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: TokenId,
    /// The `ks_` value, shown once; absent when the same request came before: then rotate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "ks_…")]
    pub token: Option<String>,
    /// Whether the value was shown by an earlier answer to the same request.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secret_shown: bool,
    /// What to do where the value was shown and is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// When the token ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// The agent.
    pub agent: Agent,
}

/// `POST /v1/tokens/{id}/rotate`: a new token of the same agent; the old one ends after the overlap.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"overlapSeconds": 3600}))]
pub struct RotateToken {
    /// How long the old token still holds, in seconds, 0 to 604,800 (a week); 0 by default.
    #[serde(default)]
    #[schema(maximum = 604_800)]
    pub overlap_seconds: u32,
}

/// The longest overlap of a rotation, in seconds.
pub const MAX_OVERLAP_SECONDS: u32 = 604_800;

/// Which tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListTokens {
    /// Of this agent (id or name).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// How many entries, 1 to 500; 50 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// Whether a token holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TokenStatus {
    /// It holds.
    Active,
    /// It ended by itself.
    Expired,
    /// It was ended.
    Revoked,
}

impl TokenStatus {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// A token, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// The id.
    #[schema(value_type = String, example = "tok_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: TokenId,
    /// The name.
    #[schema(example = "production-agent")]
    pub name: String,
    /// The agent.
    #[schema(value_type = String, example = "agt_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub agent_id: AgentId,
    /// The agent's name.
    #[schema(example = "production-agent")]
    pub agent_name: String,
    /// Whether it holds.
    pub status: TokenStatus,
    /// When it was made.
    pub created_at: Time,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Time>,
    /// When it was last used, to the minute or so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Time>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use keystore_core::policy::Source;

    #[test]
    fn the_sdks_call_is_a_request() {
        let body = r#"{"name":"production-agent",
            "providers":[{"name":"openai","source":"byok"},{"name":"tavily","source":"marketplace"}]}"#;
        let request: CreateToken = serde_json::from_str(body).unwrap();
        let providers = request.providers.unwrap();
        assert_eq!(
            (providers[0].name.as_str(), providers[0].source),
            ("openai", Source::Byok)
        );
        assert_eq!(providers[1].source, Source::Marketplace);
    }

    #[test]
    fn what_is_unknown_is_refused() {
        for body in [
            r#"{"name":"a","budget":1}"#,
            r#"{"name":"a","providers":[{"name":"openai","source":"own"}]}"#,
            r#"{"name":"a","providers":[{"name":"openai","source":"byok","key":"sk"}]}"#,
            r#"{"name":"a","rpmLimit":-1}"#,
        ] {
            assert!(serde_json::from_str::<CreateToken>(body).is_err(), "{body}");
        }
    }

    #[test]
    fn a_request_says_only_what_was_said() {
        let request = CreateToken {
            agent_id: Some("bot".into()),
            ..CreateToken::default()
        };
        assert_eq!(serde_json::to_string(&request).unwrap(), r#"{"agentId":"bot"}"#);
    }
}
