//! The problems that each operation can answer with. Which codes those are follows from its form, where extractors, roles and the database
//! decide it, and from [`NAMED`], where its own doing does. The tests check every problem that they are answered against it.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use keystore_wire::problem::{Code, MEDIA_TYPE, Problem};
use serde_json::{Value, json};
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder};

use super::operations;

/// The name of the schema, and what the names of its answers begin with.
const PROBLEM: &str = "Problem";

/// What makes grants.
const GRANTING: &[&str] = &[
    "create_agent",
    "update_agent",
    "create_token",
    "approve_access_request",
    "create_migration",
    "undo_migration",
];

/// What looks a provider up in the catalog.
const CATALOG: &[&str] = &[
    "create_agent",
    "update_agent",
    "create_token",
    "approve_access_request",
    "create_credential",
    "create_pool_credential",
    "create_migration",
    "set_listing",
    "set_label_rule",
    "set_price",
    "change_prices",
    "create_budget",
    "check_budgets",
    "set_pool_rule",
    "set_pool_tenant",
    "create_revocation",
    "get_provider",
    "get_listing",
    "enable_listing",
    "disable_listing",
    "list_prices",
    "get_price_in_force",
    "reconcile",
];

/// What takes the caller's password, or a code of theirs.
const PROVING: &[&str] = &[
    "change_password",
    "begin_totp",
    "confirm_totp",
    "remove_totp",
    "renew_recovery_codes",
    "begin_passkey",
    "add_passkey",
    "remove_passkey",
];

/// Codes of what certain operations do.
const NAMED: &[(Code, &[&str])] = &[
    (
        Code::InvalidCredentials,
        &[
            "log_in",
            "exchange_code",
            "reset_password",
            "verify_email",
            "accept_invitation",
        ],
    ),
    (Code::InvalidCredentials, PROVING),
    (Code::TooManyAttempts, PROVING),
    (
        Code::SecondFactorRequired,
        &["log_in", "exchange_code", "accept_invitation"],
    ),
    (Code::Unauthenticated, &["receive_stripe_event"]),
    (Code::SignUpClosed, &["sign_up"]),
    (Code::UnknownProvider, CATALOG),
    (Code::AmbiguousCredential, GRANTING),
    (Code::MarketplaceUnavailable, GRANTING),
    (Code::MarketplaceNotEnabled, GRANTING),
    (Code::LabelForbidsMarketplace, GRANTING),
    (Code::LabelForbidsProvider, GRANTING),
    (
        Code::PaymentsUnavailable,
        &["create_top_up", "set_auto_top_up", "receive_stripe_event"],
    ),
    (Code::UpstreamError, &["create_top_up"]),
    (
        Code::CredentialRefused,
        &[
            "create_credential",
            "rotate_credential",
            "create_pool_credential",
            "give_rotation_key",
        ],
    ),
];

/// What decides which problems there can be.
struct Form<'a> {
    id: &'a str,
    /// Whoever comes may call it (`security: [{}]`), so attempts are counted.
    is_open: bool,
    is_safe: bool,
    has_body: bool,
    /// A header of ours is looked at together with the body, whether there should be one or not.
    has_header: bool,
    /// Something of it is read into fields.
    has_fields: bool,
    names_something: bool,
}

impl<'a> Form<'a> {
    fn of(method: &Method, operation: &'a Operation) -> Self {
        let parameters = operation.parameters.as_deref().unwrap_or_default();
        let stands_in = |parameter: &RefOr<Parameter>, place: &ParameterIn| match parameter {
            RefOr::T(parameter) => parameter.parameter_in == *place,
            RefOr::Ref(_) => false,
        };
        let in_path = |parameter: &RefOr<Parameter>| stands_in(parameter, &ParameterIn::Path);
        let has_body = operation.request_body.is_some();
        let security = operation.security.as_ref();
        Self {
            id: operation.operation_id.as_deref().unwrap_or_default(),
            is_open: security.is_some_and(|all| all.iter().any(|one| *one == Default::default())),
            is_safe: *method == Method::GET,
            has_body,
            has_header: parameters
                .iter()
                .any(|parameter| stands_in(parameter, &ParameterIn::Header)),
            has_fields: has_body || !parameters.iter().all(in_path),
            names_something: !parameters.is_empty(),
        }
    }

    fn codes(&self) -> BTreeSet<&'static str> {
        let by_form = [
            (true, &[Code::Internal, Code::StoreUnavailable, Code::Sealed][..]),
            (
                !self.is_open,
                &[
                    Code::Unauthenticated,
                    Code::Forbidden,
                    Code::CrossSite,
                    Code::SecondFactorMissing,
                ],
            ),
            (!self.is_open && !self.is_safe, &[Code::EmailUnverified]),
            (
                self.is_open,
                &[Code::TooManyAttempts, Code::Forbidden, Code::InvalidCredentials],
            ),
            (
                self.has_body || self.has_header,
                &[Code::BadRequest, Code::BodyTooLarge],
            ),
            (self.has_body, &[Code::UnsupportedMediaType]),
            (self.has_fields, &[Code::Invalid]),
            (self.has_fields || self.names_something, &[Code::NotFound]),
            (!self.is_safe, &[Code::Conflict, Code::CustomerKeyUnavailable]),
            (self.has_body, &[Code::AlreadyExists]),
            (
                self.has_header,
                &[
                    Code::IdempotencyMismatch,
                    Code::IdempotencyRunning,
                    Code::IdempotencyUnknown,
                ],
            ),
        ];
        let by_form = by_form
            .iter()
            .filter(|(applies, _)| *applies)
            .flat_map(|(_, codes)| *codes);
        let named = NAMED
            .iter()
            .filter(|(_, operations)| operations.contains(&self.id))
            .map(|(code, _)| code);
        by_form.chain(named).map(|code| code.as_str()).collect()
    }
}

/// Gives every operation its problems: one answer for each status, with the codes that it can carry.
pub(super) fn add(document: &mut OpenApi) {
    let mut shared = BTreeMap::new();
    for (method, operation) in operations(document) {
        let mut by_status = BTreeMap::<u16, Vec<Code>>::new();
        for code in Form::of(&method, operation)
            .codes()
            .into_iter()
            .filter_map(Code::of)
        {
            by_status.entry(code.status()).or_default().push(code);
        }
        for (status, codes) in by_status {
            let names: Vec<_> = codes.iter().map(|code| code.as_str()).collect();
            let name = format!("{PROBLEM}.{}", names.join("."));
            let answer = RefOr::Ref(Ref::from_response_name(&name));
            operation
                .responses
                .responses
                .entry(status.to_string())
                .or_insert(answer);
            shared.entry(name).or_insert_with(|| answer_of(&codes));
        }
    }
    let components = document.components.get_or_insert_default();
    let shared = shared.into_iter().map(|(name, answer)| (name, answer.into()));
    components.responses.extend(shared);
}

fn answer_of(codes: &[Code]) -> Response {
    let names: Vec<_> = codes.iter().map(|code| Value::from(code.as_str())).collect();
    let code = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(names));
    let schema = AllOfBuilder::new()
        .item(Ref::from_schema_name(PROBLEM))
        .item(ObjectBuilder::new().property("code", code));
    let examples = codes.iter().map(|code| {
        let example = ExampleBuilder::new()
            .summary(code.title())
            .value(Some(example_of(*code)))
            .build();
        (code.as_str().to_owned(), example.into())
    });
    let content = ContentBuilder::new()
        .schema(Some(schema))
        .examples_from_iter(examples.collect::<Vec<(String, RefOr<_>)>>())
        .build();
    let meanings: Vec<_> = codes
        .iter()
        .map(|code| format!("`{code}`: {}", code.meaning()))
        .collect();
    ResponseBuilder::new()
        .description(meanings.join("\n\n"))
        .content(MEDIA_TYPE, content)
        .build()
}

fn example_of(code: Code) -> Value {
    let mut problem = Problem::new(code, code.meaning());
    problem.request_id = Some("req_01jd3w8f0qe7ys4c9p2m5n6r7t".to_owned());
    match code {
        Code::Invalid => {
            problem.detail = "`/name`: expected 1 to 100 characters without control characters".to_owned();
            problem = problem.with_error("/name", "expected 1 to 100 characters without control characters");
        }
        Code::UnknownProvider => {
            "there is no provider `opnai`".clone_into(&mut problem.detail);
            problem = problem.with_remedy("did you mean `openai`?");
        }
        Code::IdempotencyRunning => problem = problem.with_remedy("send it again in a moment"),
        _ => {}
    }
    json!(problem)
}
