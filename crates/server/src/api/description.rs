//! What the description of the API says of every operation alike: that a POST can be repeated, the problems that it can fail with
//! (`problems`), and an example of everything that is sent and answered (`examples`). The problems are decided by the form of an operation,
//! because that is what decides them in the code (extractors, roles, the database), and are checked from outside by the tests that make
//! requests up from `openapi.json`.
//!
//! It writes no answers.

mod examples;
mod problems;

use http::Method;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{ApiKey, SecurityScheme};
use utoipa::openapi::{OpenApi, RefOr};

use crate::auth::caller::HOST_COOKIE;

/// Adds what is common to all operations.
pub(super) fn complete(document: &mut OpenApi) {
    for (path, item) in &mut document.paths.paths {
        if let Some(post) = item.post.as_mut().filter(|_| !path.starts_with("/v1/auth/")) {
            post.parameters
                .get_or_insert_default()
                .push(idempotency_key().into());
        }
    }
    say_name_behind_tls(document);
    examples::add(document);
    problems::add(document);
}

/// A scheme has one name; the session's cookie has another one behind TLS.
fn say_name_behind_tls(document: &mut OpenApi) {
    let components = document.components.get_or_insert_default();
    if let Some(RefOr::T(SecurityScheme::ApiKey(ApiKey::Cookie(session)))) =
        components.security_schemes.get_mut("session")
    {
        session.description = Some(format!("Behind TLS its name is `{HOST_COOKIE}`."));
    }
}

/// Every operation with its method.
fn operations(document: &mut OpenApi) -> impl Iterator<Item = (Method, &mut Operation)> {
    document.paths.paths.values_mut().flat_map(|item| {
        let all = [
            (Method::GET, &mut item.get),
            (Method::POST, &mut item.post),
            (Method::PUT, &mut item.put),
            (Method::PATCH, &mut item.patch),
            (Method::DELETE, &mut item.delete),
        ];
        all.into_iter()
            .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
    })
}

/// Every POST takes it but those that sign in.
fn idempotency_key() -> Parameter {
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .description(Some(
            "A key of your choice, 1 to 255 visible ASCII characters. For 24 hours the same request with the same key has no \
             second effect and gets the first answer, without values that are told once.",
        ))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String).build()))
        .example(Some("make-agent-2026-11-23-0001".into()))
        .build()
}
