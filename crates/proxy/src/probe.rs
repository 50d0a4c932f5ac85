//! Whether a credential works: the cheap request that the catalog names for its provider, and what its answer means.
//!
//! A probe is built by the same `inject` and sent by the same `forward` as every other request, under a reservation of its
//! own; nothing of the answer but its meaning is given back. Recording it is the caller's part.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use keystore_catalog::{Provider, ProviderRef, Verify};
use keystore_core::Deny;
use keystore_core::destination::DestinationPolicy;
use keystore_core::ids::{OrgId, ProjectId};
use keystore_core::record::Ending;
use keystore_store::policies::LoadedCredential;
use keystore_vault::Opened;

use crate::Proxy;
use crate::answer::{self, AnswerBody};
use crate::cache;
use crate::config::ProxyConfig;
use crate::forward::{self, ForwardError, OutgoingBody};
use crate::inject::{self, BuildParts};
use crate::reserve::Reservation;
use crate::resolve::unusable;
use crate::settle::End;
use crate::upstream::Client;

/// How much of the answer is read to tell what it means.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// How long the body may take once the head is there.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// What a probe has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeOutcome {
    /// The vendor took the credential.
    Valid,
    /// The vendor refused the credential.
    Invalid {
        /// The status of its answer.
        status: u16,
    },
    /// The answer tells neither: no way to verify is known, the vendor has a problem, or it limits requests.
    Unclear {
        /// What is known, in words that are safe to show.
        reason: String,
    },
    /// No answer came.
    Unreachable {
        /// What happened, in words that are safe to show.
        reason: String,
    },
}

/// A stored credential that is to be verified.
pub struct ProbeTarget {
    /// Its organization.
    pub org: OrgId,
    /// Its project.
    pub project: ProjectId,
    /// Its provider.
    pub provider: ProviderRef,
    /// Its current version.
    pub credential: LoadedCredential,
}

impl Proxy {
    /// Asks the vendor whether it takes a stored credential, by the request that the catalog names. Recorded as an attempt of
    /// the operation `credential.verify`, of no agent. Gives the vendor's status where it answered.
    ///
    /// # Errors
    ///
    /// The credential cannot be opened, or the intent cannot be recorded.
    pub async fn probe(self: &Arc<Self>, target: &ProbeTarget) -> Result<(ProbeOutcome, Option<u16>), Deny> {
        let row = &target.credential;
        let provider = &*target.provider;
        let credential = cache::ready(&self.vault, target.org, row, self.agents.limits().of(row.id))
            .await
            .map_err(|error| unusable(&error, &row.name))?;
        let opened = self.open(&credential).await?;
        let value = |name: &str| {
            row.params
                .get(name)
                .cloned()
                .or_else(|| inject::public_field(provider, &opened, name))
        };
        let Some(request) = request(provider, &value) else {
            let reason = format!(
                "no request is known that verifies a credential of {}",
                provider.name
            );
            return Ok((ProbeOutcome::Unclear { reason }, None));
        };
        let mut reservation = self.reserve_probe(target, &request).await?;
        reservation.sending();
        let client = self
            .upstreams
            .client(credential.key(), &credential.policy, &request.alias);
        let parts = ProbeParts {
            provider,
            policy: &credential.policy,
            opened: &opened,
            client,
        };
        let (outcome, status) = probe(&reservation, request, parts, &self.config).await;
        let status = status.map(|status| status.as_u16());
        reservation.answered(status.unwrap_or(0));
        let ending = if status.is_some() {
            Ending::Complete
        } else {
            Ending::UpstreamError
        };
        reservation.settle(&End {
            ending,
            metered: None,
            response_bytes: 0,
            refusal: None,
        });
        Ok((outcome, status))
    }
}

/// The verification request of a provider, with its parameters filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProbeRequest {
    /// The method.
    pub(crate) method: Method,
    /// The host's alias.
    pub(crate) alias: String,
    /// The path, for the intent, too.
    pub(crate) path: String,
    /// The query.
    pub(crate) query: Option<String>,
}

/// The request that verifies a credential of `provider`, with `value` giving parameters and fields that are not secret.
/// `None` where none is known, or where it needs a value that there is not.
pub(crate) fn request(provider: &Provider, value: &dyn Fn(&str) -> Option<String>) -> Option<ProbeRequest> {
    let verify = provider.verify.as_ref()?;
    let target = fill(&verify.path, value)?;
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path.to_owned(), Some(query.to_owned())),
        None => (target, None),
    };
    Some(ProbeRequest {
        method: verify.method.parse().ok()?,
        alias: verify.host.to_string(),
        path,
        query,
    })
}

/// `template` with each `{name}` replaced. A value that would change the form of the path gives `None`.
fn fill(template: &str, value: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        let value = value(name)?;
        if !value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~:@".contains(&byte))
            || value.starts_with('.')
        {
            return None;
        }
        filled.push_str(before);
        filled.push_str(&value);
        rest = after;
    }
    filled.push_str(rest);
    Some(filled)
}

/// Where a probe goes and with what.
pub(crate) struct ProbeParts<'a> {
    /// The provider.
    pub(crate) provider: &'a Provider,
    /// The sealed copy of the destination policy.
    pub(crate) policy: &'a DestinationPolicy,
    /// The credential.
    pub(crate) opened: &'a Opened,
    /// The connections of this credential version to the host of the probe.
    pub(crate) client: Client,
}

/// Sends a probe and says what its answer means, and its status where there was one.
pub(crate) async fn probe(
    reservation: &Reservation,
    request: ProbeRequest,
    parts: ProbeParts<'_>,
    config: &ProxyConfig,
) -> (ProbeOutcome, Option<StatusCode>) {
    let ProbeParts {
        provider,
        policy,
        opened,
        client,
    } = parts;
    let built = inject::build(
        BuildParts {
            method: &request.method,
            path: &request.path,
            query: request.query.as_deref(),
            headers: headers(),
            provider,
            alias: &request.alias,
            policy,
            body_bytes: Some(0),
        },
        opened,
    );
    let built = match built {
        Ok(built) => built,
        Err(error) => {
            return (
                ProbeOutcome::Unclear {
                    reason: error.to_string(),
                },
                None,
            );
        }
    };
    let sent = async {
        let lease = forward::lease(&client).await?;
        let body = OutgoingBody::Empty;
        forward::forward(
            reservation,
            (&client, lease),
            built.request,
            body,
            config,
            &|| true,
        )
        .await
    };
    match sent.await {
        Ok(response) => {
            let status = response.status();
            let outcome = match answer::clean(response, provider, &built.needles) {
                Ok(response) => meaning(provider, response).await,
                Err(error) => ProbeOutcome::Unclear {
                    reason: error.to_string(),
                },
            };
            (outcome, Some(status))
        }
        Err(ForwardError::NotSent { reason, .. } | ForwardError::Broken { reason }) => {
            (ProbeOutcome::Unreachable { reason }, None)
        }
        Err(ForwardError::Timeout) => (
            ProbeOutcome::Unreachable {
                reason: "no answer in time".to_owned(),
            },
            None,
        ),
        // A probe has no body that could fail, and nobody's permission.
        Err(error @ (ForwardError::RequestBody(_) | ForwardError::Stale)) => (
            ProbeOutcome::Unclear {
                reason: error.to_string(),
            },
            None,
        ),
    }
}

fn headers() -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(
        HeaderName::from_static("accept"),
        HeaderValue::from_static("application/json"),
    );
    headers.insert(
        HeaderName::from_static("user-agent"),
        HeaderValue::from_static("keystore"),
    );
    headers
}

async fn meaning(provider: &Provider, response: Response<AnswerBody>) -> ProbeOutcome {
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_BODY_BYTES).collect();
    // A body that is cut, too long or late leaves the status to judge by.
    let body = match tokio::time::timeout(BODY_TIMEOUT, body).await {
        Ok(Ok(whole)) => whole.to_bytes(),
        _ => bytes::Bytes::new(),
    };
    judge(provider, provider.verify.as_ref(), status, &body)
}

fn judge(provider: &Provider, verify: Option<&Verify>, status: StatusCode, body: &[u8]) -> ProbeOutcome {
    let code = status.as_u16();
    if verify.is_some_and(|verify| verify.invalid_status.contains(&code)) || provider.is_bad_key(code, body) {
        return ProbeOutcome::Invalid { status: code };
    }
    match code {
        200..=299 => ProbeOutcome::Valid,
        429 => ProbeOutcome::Unclear {
            reason: format!("{} limits requests right now (429)", provider.name),
        },
        500..=599 => ProbeOutcome::Unclear {
            reason: format!("{} has a problem right now ({code})", provider.name),
        },
        // Not let in, not found, asked wrongly: without a rule in the provider's file it may be the credential or the request.
        _ => ProbeOutcome::Unclear {
            reason: format!("{} answered {code}", provider.name),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(slug: &str) -> &'static Provider {
        keystore_catalog::provider(slug).unwrap()
    }

    fn outcome(slug: &str, status: u16, body: &str) -> ProbeOutcome {
        let provider = provider(slug);
        judge(
            provider,
            provider.verify.as_ref(),
            StatusCode::from_u16(status).unwrap(),
            body.as_bytes(),
        )
    }

    #[test]
    fn an_answer_says_valid_invalid_or_neither() {
        assert_eq!(outcome("openai", 200, "{}"), ProbeOutcome::Valid);
        let bad = r#"{"error":{"code":"invalid_api_key"}}"#;
        assert_eq!(outcome("openai", 401, bad), ProbeOutcome::Invalid { status: 401 });
        for status in [302, 404, 429, 500, 503] {
            assert!(
                matches!(outcome("openai", status, ""), ProbeOutcome::Unclear { .. }),
                "{status}"
            );
        }
    }

    #[test]
    fn every_provider_that_can_be_verified_has_a_request() {
        for provider in keystore_catalog::providers()
            .iter()
            .filter(|provider| provider.verify.is_some())
        {
            let request = request(provider, &|_| Some("value".to_owned())).unwrap();
            assert!(request.path.starts_with('/'), "{}", provider.slug);
            assert!(!request.path.contains(['{', '?']), "{}", provider.slug);
        }
    }

    #[test]
    fn a_value_cannot_change_the_path() {
        assert_eq!(
            fill("/accounts/{id}/x?y=1", &|_| Some("AC-1".into())).unwrap(),
            "/accounts/AC-1/x?y=1"
        );
        for value in ["a/b", "..", ".", "a?b", "a#b", "a%2fb", "a b"] {
            assert_eq!(fill("/accounts/{id}", &|_| Some(value.into())), None, "{value}");
        }
        assert_eq!(fill("/accounts/{id}", &|_| None), None);
    }
}
