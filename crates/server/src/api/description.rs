//! What the description of the API says of every operation alike: that a POST can be repeated, and the statuses that it can fail with.
//! The latter are decided by its form, because that is what decides them in the code (extractors, roles, the database), and are checked
//! from outside by the tests that make requests up from `openapi.json`.
//!
//! It knows no single operation and writes no answers.

use std::collections::BTreeSet;

use http::Method;
use keystore_wire::problem::MEDIA_TYPE;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, ResponseBuilder};

/// The name of the one answer to whatever goes wrong, among the document's components.
const PROBLEM: &str = "Problem";

/// Adds what is common to all operations.
pub(super) fn complete(document: &mut OpenApi) {
    for (path, item) in &mut document.paths.paths {
        if let Some(post) = item.post.as_mut().filter(|_| !path.starts_with("/v1/auth/")) {
            post.parameters
                .get_or_insert_default()
                .push(idempotency_key().into());
        }
    }
    add_problems(document);
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
        .build()
}

/// Gives every operation the problems that it can answer with.
fn add_problems(document: &mut OpenApi) {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(PROBLEM)))
        .build();
    let problem = ResponseBuilder::new()
        .description("A problem (RFC 9457)")
        .content(MEDIA_TYPE, content)
        .build();
    let components = document.components.get_or_insert_default();
    components.responses.insert(PROBLEM.to_owned(), problem.into());
    for item in document.paths.paths.values_mut() {
        let operations = [
            (Method::GET, &mut item.get),
            (Method::POST, &mut item.post),
            (Method::PUT, &mut item.put),
            (Method::PATCH, &mut item.patch),
            (Method::DELETE, &mut item.delete),
        ];
        for (method, operation) in operations {
            let Some(operation) = operation else { continue };
            for status in failures(&method, operation) {
                let answer = RefOr::Ref(Ref::from_response_name(PROBLEM));
                operation
                    .responses
                    .responses
                    .entry(status.to_string())
                    .or_insert(answer);
            }
        }
    }
}

fn failures(method: &Method, operation: &Operation) -> BTreeSet<u16> {
    let parameters = operation.parameters.as_deref().unwrap_or_default();
    let has_body = operation.request_body.is_some();
    let stands_in = |parameter: &RefOr<Parameter>, place: &ParameterIn| match parameter {
        RefOr::T(parameter) => parameter.parameter_in == *place,
        RefOr::Ref(_) => false,
    };
    let in_path = |parameter: &RefOr<Parameter>| stands_in(parameter, &ParameterIn::Path);
    let in_header = |parameter: &RefOr<Parameter>| stands_in(parameter, &ParameterIn::Header);
    let has_fields = has_body || !parameters.iter().all(in_path);
    // `security: [{}]`: whoever comes, so attempts are counted.
    let is_open = operation
        .security
        .as_ref()
        .is_some_and(|security| security.iter().any(|one| *one == Default::default()));
    let mut statuses = BTreeSet::from([401, 403, 500, 503]);
    // A header of ours is looked at together with the body, whether there should be one or not.
    if has_body || parameters.iter().any(in_header) {
        statuses.extend([400, 413]);
    }
    if has_body {
        statuses.insert(415);
    }
    if has_fields {
        statuses.insert(422);
    }
    if has_fields || !parameters.is_empty() {
        statuses.insert(404);
    }
    if *method != Method::GET {
        statuses.insert(409);
    }
    if is_open {
        statuses.insert(429);
    }
    statuses
}
