//! Whether a credential works: the cheap request that the catalog names for its provider, and what its answer means.
//!
//! Nothing of the answer but its meaning is given back. Recording it is the caller's part.

use std::sync::Arc;

use http::{Response, StatusCode};
use keystore_catalog::{Provider, ProviderRef, Verify};
use keystore_core::Deny;
use keystore_core::ids::{OrgId, ProjectId};
use keystore_store::credentials::{Credential, CredentialVersion};
use keystore_store::keks::Kek;
use keystore_store::policies::LoadedCredential;

use crate::Proxy;
use crate::administer::{OwnRequest, Unanswered, body_of};
use crate::answer::AnswerBody;
use crate::inject;

/// How much of the answer is read to tell what it means.
const MAX_BODY_BYTES: usize = 64 * 1024;

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

impl ProbeTarget {
    /// A credential in a version, with the wrapped key that the version is under.
    pub fn new(row: &Credential, provider: ProviderRef, version: CredentialVersion, kek: Kek) -> Self {
        Self {
            org: row.org,
            project: row.project,
            provider,
            credential: LoadedCredential {
                id: row.id,
                version: version.version,
                provider: row.provider.clone(),
                name: row.name.clone(),
                source: row.source,
                status: row.status,
                params: row.params.clone(),
                expires_at: row.expires_at,
                labels: row.labels.clone(),
                sealed: version.sealed,
                policy: version.policy,
                kek: version.kek,
                kek_generation: version.kek_generation,
                kek_wrapped: kek.wrapped,
                kek_customer: kek.customer,
                agreements: row.agreements.clone(),
            },
        }
    }
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
        let (credential, opened) = self.unsealed(target).await?;
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
        let (own, answer) = self.own(target, (&credential, &opened), request).await?;
        let (outcome, status) = match answer {
            Ok(response) => {
                let status = response.status();
                let outcome = match meaning(provider, response).await {
                    // It was exchanged for a token, which the vendor may not let in just there.
                    ProbeOutcome::Unclear { .. }
                        if credential.policy.token().is_some() && status.is_client_error() =>
                    {
                        ProbeOutcome::Valid
                    }
                    outcome => outcome,
                };
                (outcome, Some(status.as_u16()))
            }
            Err(Unanswered::Refused) => (ProbeOutcome::Invalid { status: 401 }, None),
            Err(Unanswered::Unclear(reason)) => (ProbeOutcome::Unclear { reason }, None),
            Err(Unanswered::Unreachable(reason)) => (ProbeOutcome::Unreachable { reason }, None),
        };
        own.end();
        Ok((outcome, status))
    }
}

/// The request that verifies a credential of `provider`, with `value` giving parameters and fields that are not secret.
/// `None` where none is known, or where it needs a value that there is not.
pub(crate) fn request(provider: &Provider, value: &dyn Fn(&str) -> Option<String>) -> Option<OwnRequest> {
    let verify = provider.verify.as_ref()?;
    let target = fill(&verify.path, value)?;
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path.to_owned(), Some(query.to_owned())),
        None => (target, None),
    };
    Some(OwnRequest {
        operation: "credential.verify",
        method: verify.method.parse().ok()?,
        alias: verify.host.to_string(),
        path,
        query,
        body: None,
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

async fn meaning(provider: &Provider, response: Response<AnswerBody>) -> ProbeOutcome {
    let status = response.status();
    // A body that is cut, too long or late leaves the status to judge by.
    let body = body_of(response, MAX_BODY_BYTES).await.unwrap_or_default();
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
