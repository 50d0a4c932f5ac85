//! Every refusal, its status, its headers and its words.

use std::time::Duration;

use http_body_util::BodyExt as _;
use keystore_core::abuse::Kind;
use keystore_core::deny::{BudgetExceeded, RateKind, RateScope};
use keystore_core::ids::BudgetId;
use keystore_core::policy::{Access, Demand, PausedBy, Source, Unit};
use serde_json::Value;

use super::*;

const NOW: Micros = Micros(1_795_000_000_000_000);

fn context(id: u128) -> RefusalContext<'static> {
    RefusalContext {
        request: RequestId::new(uuid::Uuid::from_u128(id)),
        agent: Some("research-bot"),
        budget_status: None,
        now: NOW,
    }
}

fn bytes(response: Response<Full<Bytes>>) -> Bytes {
    // A `Full` body is ready at once.
    let mut body = std::pin::pin!(response.into_body().collect());
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match body.as_mut().poll(&mut cx) {
        std::task::Poll::Ready(Ok(body)) => body.to_bytes(),
        _ => panic!("not ready"),
    }
}

fn answer(refusal: impl Into<Refusal>) -> (StatusCode, HeaderMap, Value) {
    let response = refuse(&refusal.into(), &context(7));
    let (status, headers) = (response.status(), response.headers().clone());
    (status, headers, serde_json::from_slice(&bytes(response)).unwrap())
}

fn limited(kind: RateKind, limit: u32, wait: Option<Duration>) -> Deny {
    Deny::RateLimited(RateLimited {
        kind,
        scope: RateScope::Agent,
        limit,
        resets_at: wait.map(|wait| NOW.plus(wait)),
    })
}

fn open_circuit(wait: Duration) -> Deny {
    Deny::CircuitOpen {
        provider: "openai".into(),
        host: "api.openai.com".into(),
        resets_at: NOW.plus(wait),
    }
}

fn exceeded() -> BudgetExceeded {
    BudgetExceeded {
        budget: BudgetId::new(uuid::Uuid::nil()),
        unit: Unit::Usd,
        limit: 50_000_000_000,
        spent: 49_980_000_000,
        held: 20_000_000,
        needed: 125_000,
        resets_at: Some(Micros(1_796_083_200_000_000)),
    }
}

fn over_budget() -> Deny {
    Deny::BudgetExceeded(exceeded())
}

fn over_credit() -> Deny {
    Deny::InsufficientCredit(exceeded())
}

fn label_forbids(source: Source) -> Deny {
    Deny::LabelForbids {
        label: "phi".into(),
        provider: "openai".into(),
        source,
    }
}

fn busy_pool(wait: Duration) -> Deny {
    Deny::PoolBusy {
        provider: "openai".into(),
        resets_at: NOW.plus(wait),
    }
}

fn everything() -> Vec<(Refusal, u16, &'static str)> {
    let provider = || "openai".to_owned();
    let malformed = [
        Malformed::Host,
        Malformed::Target,
        Malformed::Path,
        Malformed::Route,
        Malformed::Header,
        Malformed::Framing,
        Malformed::Upgrade,
        Malformed::Body,
        Malformed::SignedChunks,
        Malformed::Json,
        Malformed::Form,
        Malformed::Model,
    ];
    let denials = [
        (Deny::MethodNotAllowed, 405, "method_not_allowed"),
        (Deny::UriTooLong, 414, "uri_too_long"),
        (Deny::Misdirected, 421, "misdirected"),
        (Deny::HeadersTooLarge, 431, "headers_too_large"),
        (Deny::ExpectationFailed, 417, "expectation_failed"),
        (Deny::InvalidToken, 401, "invalid_token"),
        (Deny::AgentPaused(None), 403, "agent_paused"),
        (Deny::AgentPaused(Some(Kind::SpendRate)), 403, "agent_paused"),
        (Deny::OrgSuspended, 403, "org_suspended"),
        (Deny::ProjectSuspended, 403, "project_suspended"),
        (
            Deny::ProviderSuspended { provider: provider() },
            403,
            "provider_suspended",
        ),
        (Deny::AddressNotAllowed, 403, "address_not_allowed"),
        (
            Deny::UnknownProvider { slug: provider() },
            404,
            "unknown_provider",
        ),
        (
            Deny::UnknownHost {
                provider: provider(),
                alias: "eu".into(),
            },
            404,
            "unknown_provider",
        ),
        (
            Deny::ProviderNotGranted { provider: provider() },
            403,
            "provider_not_granted",
        ),
        (
            Deny::ScopeDenied {
                provider: provider(),
                access: Access::Write,
            },
            403,
            "scope_denied",
        ),
        (
            Deny::OperationDenied {
                provider: provider(),
                operation: "admin_api_keys".into(),
            },
            403,
            "operation_denied",
        ),
        (
            Deny::ModelNotAllowed {
                model: "gpt-x".into(),
            },
            403,
            "model_not_allowed",
        ),
        (
            Deny::CredentialMissing { provider: provider() },
            403,
            "credential_missing",
        ),
        (
            Deny::CredentialExpired {
                provider: provider(),
                credential: "default".into(),
            },
            403,
            "credential_missing",
        ),
        (
            limited(RateKind::Rpm, 60, Some(Duration::from_secs(3))),
            429,
            "rate_limited",
        ),
        (open_circuit(Duration::from_secs(5)), 503, "circuit_open"),
        (Deny::EndUserMissing, 400, "end_user_missing"),
        (over_budget(), 402, "budget_exceeded"),
        (over_credit(), 402, "insufficient_credit"),
        (
            Deny::NotEnabled { provider: provider() },
            403,
            "marketplace_not_enabled",
        ),
        (
            label_forbids(Source::Marketplace),
            403,
            "label_forbids_marketplace",
        ),
        (label_forbids(Source::Byok), 403, "label_forbids_provider"),
        (
            Deny::NoPoolCredential { provider: provider() },
            503,
            "no_pool_credential",
        ),
        (
            Deny::PoolPaused {
                provider: provider(),
                by: PausedBy::Rule,
            },
            403,
            "pool_paused",
        ),
        (busy_pool(Duration::from_secs(5)), 429, "rate_limited"),
        (
            Deny::UnpricedOperation {
                provider: provider(),
                what: "gpt-x".into(),
                source: Source::Byok,
                can_be_priced: true,
            },
            403,
            "unpriced_operation",
        ),
        (
            Deny::UnknownAmount {
                budget: BudgetId::new(uuid::Uuid::nil()),
                what: "refunds".into(),
            },
            403,
            "unpriced_operation",
        ),
        (
            Deny::BodyTooLarge {
                limit_bytes: 33_554_432,
            },
            413,
            "body_too_large",
        ),
        (Deny::UnsupportedEncoding, 415, "unsupported_encoding"),
        (Deny::Sealed, 503, "sealed"),
        (
            Deny::LabelDemands {
                label: "fedramp".into(),
                provider: "openai".into(),
                demand: Demand::CustomerKey,
            },
            403,
            "label_forbids_provider",
        ),
        (
            Deny::LabelDemands {
                label: "phi".into(),
                provider: "openai".into(),
                demand: Demand::Agreement("baa".into()),
            },
            403,
            "label_forbids_provider",
        ),
        (Deny::CustomerKey, 503, "customer_key_unavailable"),
        (Deny::AuditUnavailable, 503, "audit_unavailable"),
        (Deny::AuthStale, 503, "auth_stale"),
    ];
    let credential = "default".to_owned();
    let failures = [
        (
            ProxyError::CredentialInvalid {
                provider: provider(),
                credential,
            },
            502,
            "credential_invalid",
        ),
        (
            ProxyError::Upstream {
                provider: provider(),
                reason: "connection closed".into(),
            },
            502,
            "upstream_error",
        ),
        (
            ProxyError::UpstreamTimeout { provider: provider() },
            504,
            "upstream_timeout",
        ),
        (ProxyError::Internal, 500, "internal"),
    ];
    let malformed = malformed.map(|malformed| (Deny::Malformed(malformed).into(), 400, "bad_request"));
    let denials = denials.map(|(deny, status, code)| (deny.into(), status, code));
    let failures = failures.map(|(error, status, code)| (error.into(), status, code));
    malformed.into_iter().chain(denials).chain(failures).collect()
}

#[test]
fn every_refusal_has_the_one_shape() {
    for (refusal, status, code) in everything() {
        let (got, headers, body) = answer(refusal.clone());
        assert_eq!(got.as_u16(), status, "{refusal:?}");
        assert_eq!(headers["x-keystore-error"], code, "{refusal:?}");
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(headers["x-keystore-request-id"], context(7).request.to_string());
        assert_eq!(body["type"], "error");
        assert_eq!(body["name"], code);
        assert_eq!(
            (&body["error"]["type"], &body["error"]["code"]),
            (&code.into(), &code.into())
        );
        let (message, remedy) = (
            body["message"].as_str().unwrap(),
            body["error"]["remedy"].as_str().unwrap(),
        );
        assert_eq!(body["error"]["message"], message);
        assert_eq!(body["detail"]["error"], message);
        assert!(
            message.ends_with(remedy) && remedy.len() > 10 && message.len() > remedy.len() + 20,
            "{message}"
        );
        assert!(!message.contains("ks_0"), "{message}");
        let has_id = body.get("requestId").is_some();
        assert_eq!(has_id, code != "invalid_token", "{body}");
    }
}

#[test]
fn the_answer_to_a_bad_token_is_one_body() {
    let one = bytes(refuse(&Deny::InvalidToken.into(), &context(1)));
    let mut other = context(2);
    other.agent = None;
    other.now = Micros(5);
    assert_eq!(one, bytes(refuse(&Deny::InvalidToken.into(), &other)));
}

#[test]
fn a_retry_is_ruled_out_where_it_cannot_help() {
    let ruled_out = |refusal: Refusal| {
        answer(refusal)
            .1
            .get("x-should-retry")
            .is_some_and(|value| value == "false")
    };
    for (refusal, status, code) in everything() {
        let expected = !matches!(status, 429 | 503 | 504 | 500) && code != "upstream_error";
        assert_eq!(ruled_out(refusal.clone()), expected, "{refusal:?}");
    }
    assert!(ruled_out(limited(RateKind::Rpm, 0, None).into()));
    assert!(ruled_out(
        limited(RateKind::Rpd, 5, Some(Duration::from_secs(61))).into()
    ));
    assert!(!ruled_out(
        limited(RateKind::Rpd, 5, Some(Duration::from_secs(60))).into()
    ));
}

#[test]
fn a_rate_limit_says_when_to_come_back() {
    let (_, headers, body) = answer(limited(RateKind::Rpm, 60, Some(Duration::from_micros(2_000_001))));
    assert_eq!(headers["retry-after"], "3");
    assert_eq!(headers["x-ratelimit-limit"], "60");
    assert_eq!(headers["x-ratelimit-remaining"], "0");
    assert_eq!(headers["x-ratelimit-reset"], "1795000003");
    assert_eq!(body["error"]["limitType"], "rpm");
    assert_eq!(body["error"]["limit"], "60");
    assert_eq!(body["error"]["resetAt"], "2026-11-18T11:06:42.000Z");
    assert!(
        body["error"]["remedy"]
            .as_str()
            .unwrap()
            .contains("ks agent update research-bot --rpm-limit")
    );

    let (_, headers, body) = answer(limited(RateKind::Rpd, 0, None));
    assert!(headers.get("retry-after").is_none() && headers.get("x-ratelimit-reset").is_none());
    assert!(body["error"].get("resetAt").is_none());
    assert_eq!(body["error"]["limitType"], "rpd");

    let past = limited(RateKind::Rpm, 1, Some(Duration::ZERO));
    assert_eq!(answer(past).1["retry-after"], "1");
}

#[test]
fn an_open_circuit_says_when_the_next_call_is_let_through() {
    let (_, headers, body) = answer(open_circuit(Duration::from_micros(4_000_001)));
    assert_eq!(headers["retry-after"], "5");
    assert!(headers.get("x-should-retry").is_none() && headers.get("x-ratelimit-reset").is_none());
    let error = &body["error"];
    assert_eq!(error["resetAt"], "2026-11-18T11:06:44.000Z");
    assert!(error.get("limitType").is_none());
    let message = error["message"].as_str().unwrap();
    for part in ["api.openai.com", "11:06:44", "ks provider test openai"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_budget_states_its_sums() {
    let (_, _, body) = answer(over_budget());
    let error = &body["error"];
    assert_eq!(error["limitType"], "budget");
    assert_eq!(
        (&error["limit"], &error["spent"]),
        (&"50.00".into(), &"49.98".into())
    );
    assert_eq!(
        (&error["held"], &error["needed"]),
        (&"0.02".into(), &"0.000125".into())
    );
    assert_eq!(error["resetAt"], "2026-12-01T00:00:00.000Z");
    assert!(
        error["remedy"]
            .as_str()
            .unwrap()
            .contains("ks budget raise bud_00000000000000000000000000 --limit")
    );
}

#[test]
fn the_catalog_may_set_the_status_of_a_budget_alone() {
    let mut context = context(1);
    context.budget_status = Some(StatusCode::FORBIDDEN);
    assert_eq!(
        refuse(&over_budget().into(), &context).status(),
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        refuse(&Deny::AgentPaused(None).into(), &context).status(),
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        refuse(&Deny::InvalidToken.into(), &context).status(),
        StatusCode::UNAUTHORIZED
    );
}

#[test]
fn connections_with_framing_in_doubt_are_closed() {
    let closes = |deny: Deny| {
        answer(deny)
            .1
            .get("connection")
            .is_some_and(|value| value == "close")
    };
    assert!(closes(Deny::Malformed(Malformed::Framing)));
    assert!(closes(Deny::Malformed(Malformed::Upgrade)));
    assert!(closes(Deny::MethodNotAllowed));
    assert!(!closes(Deny::InvalidToken));
    assert!(!closes(Deny::Malformed(Malformed::Route)));
    assert_eq!(answer(Deny::MethodNotAllowed).1["allow"], METHODS);
}

#[test]
fn long_names_of_the_caller_are_cut() {
    let (_, _, body) = answer(Deny::ModelNotAllowed {
        model: "ä".repeat(5_000),
    });
    assert!(body["message"].as_str().unwrap().len() < 500);
}
