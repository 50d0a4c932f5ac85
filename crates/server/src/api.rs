//! The control plane's whole surface on one page, and what every answer passes through.
//!
//! The name of a handler is its operation id and the name of the SDK's method. Handlers are thin: they take a caller with a
//! right, call the function that does the thing, and wrap the answer.

mod abuse;
mod access_requests;
pub(crate) mod agents;
pub(crate) mod api_keys;
mod audit;
mod audit_proofs;
mod auth;
pub(crate) mod billing;
pub(crate) mod budgets;
pub(crate) mod credentials;
mod dashboard;
mod description;
mod envelope;
mod events;
mod exposure;
pub(crate) mod extract;
mod factors;
mod health;
pub(crate) mod idempotency;
pub(crate) mod keks;
mod labels;
mod limits;
mod marketplace;
pub(crate) mod members;
mod metrics;
mod operations;
pub(crate) mod operator;
pub(crate) mod orgs;
mod page;
mod passkeys;
pub(crate) mod payments;
mod pool_tenants;
mod pool_uses;
pub(crate) mod prices;
pub mod problem;
pub(crate) mod projects;
pub(crate) mod providers;
mod requests;
mod revocations;
pub(crate) mod roles;
pub(crate) mod rotations;
mod sales;
mod sessions;
pub(crate) mod tokens;
mod usage;
mod usage_events;
pub(crate) mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use keystore_wire::problem::Problem;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;

use crate::app::App;
use crate::mcp;
use operations::operations;

/// The largest request body, in bytes. The largest honest one is a credential with a private key in it.
pub(crate) const BODY_LIMIT_BYTES: usize = 256 << 10;

/// How long a handler may take until the head of its answer. Testing a credential waits for a vendor.
const HANDLER_LIMIT: Duration = Duration::from_secs(60);

operations! {
    auth::sign_up,
    auth::log_in,
    auth::log_out,
    auth::refresh_session,
    auth::exchange_code,
    auth::switch_org,
    auth::who_am_i,
    auth::forgot_password,
    auth::reset_password,
    auth::send_verification,
    auth::verify_email,
    auth::accept_invitation,
    auth::change_password,
    factors::verify_second_factor,
    factors::get_factors,
    factors::begin_totp,
    factors::confirm_totp,
    factors::remove_totp,
    factors::renew_recovery_codes,
    passkeys::begin_passkey,
    passkeys::add_passkey,
    passkeys::remove_passkey,
    passkeys::ask_passkey,
    passkeys::sign_in_with_passkey,
    sessions::list_sessions,
    sessions::end_sessions,
    sessions::end_session,
    orgs::list_orgs,
    orgs::create_org,
    orgs::get_org,
    orgs::update_org,
    orgs::delete_org,
    orgs::transfer_org,
    limits::get_org_limits,
    limits::update_org_limits,
    abuse::get_org_abuse_rules,
    abuse::update_org_abuse_rules,
    members::leave_org,
    members::list_members,
    members::update_member,
    members::remove_member,
    members::list_invitations,
    members::create_invitation,
    members::delete_invitation,
    projects::list_projects,
    projects::create_project,
    projects::get_project,
    projects::update_project,
    projects::delete_project,
    limits::get_project_limits,
    limits::update_project_limits,
    abuse::get_project_abuse_rules,
    abuse::update_project_abuse_rules,
    api_keys::list_api_keys,
    api_keys::create_api_key,
    api_keys::get_api_key,
    api_keys::update_api_key,
    api_keys::delete_api_key,
    providers::list_providers,
    providers::create_provider,
    providers::get_provider,
    providers::update_provider,
    providers::delete_provider,
    credentials::list_credentials,
    credentials::create_credential,
    credentials::get_credential,
    credentials::update_credential,
    credentials::delete_credential,
    credentials::reseal_credential,
    credentials::rotate_credential,
    credentials::test_credential,
    agents::list_agents,
    agents::create_agent,
    agents::get_agent,
    agents::update_agent,
    agents::delete_agent,
    abuse::get_agent_abuse_rules,
    abuse::update_agent_abuse_rules,
    agents::pause_agent,
    agents::resume_agent,
    agents::revoke_agent,
    tokens::list_tokens,
    tokens::create_token,
    tokens::get_token,
    tokens::revoke_token,
    tokens::rotate_token,
    access_requests::list_access_requests,
    access_requests::get_access_request,
    access_requests::approve_access_request,
    access_requests::deny_access_request,
    budgets::list_budgets,
    budgets::create_budget,
    budgets::check_budgets,
    budgets::get_budget,
    budgets::update_budget,
    budgets::delete_budget,
    budgets::raise_budget,
    budgets::end_budget_raise,
    budgets::get_budget_history,
    budgets::get_budget_holds,
    prices::list_prices,
    prices::set_price,
    prices::unset_price,
    prices::get_price_in_force,
    keks::get_kek_status,
    keks::rotate_kek,
    keks::rewrap_keks,
    keks::verify_keks,
    keks::retire_kek,
    keks::destroy_kek,
    keks::shred_keks,
    keks::set_customer_key,
    keks::begin_kek_import,
    keks::finish_kek_import,
    labels::list_label_rules,
    labels::set_label_rule,
    labels::unset_label_rule,
    marketplace::list_listings,
    marketplace::get_listing,
    marketplace::enable_listing,
    marketplace::disable_listing,
    marketplace::list_migrations,
    marketplace::create_migration,
    marketplace::undo_migration,
    operator::set_up_operator,
    operator::list_pool_credentials,
    operator::create_pool_credential,
    operator::get_pool_credential,
    operator::update_pool_credential,
    operator::delete_pool_credential,
    pool_tenants::get_pool_tenants,
    pool_tenants::set_pool_tenant,
    pool_tenants::get_pool_rules,
    pool_tenants::set_pool_rule,
    operator::set_listing,
    operator::get_price_book,
    operator::change_prices,
    billing::list_customers,
    billing::get_terms,
    billing::set_terms,
    billing::list_books,
    billing::post_to_ledger,
    billing::list_customer_invoices,
    billing::get_balance,
    billing::list_ledger,
    billing::list_invoices,
    billing::get_invoice,
    payments::create_top_up,
    payments::get_auto_top_up,
    payments::set_auto_top_up,
    payments::delete_auto_top_up,
    payments::list_payments,
    payments::settle_payment,
    payments::receive_stripe_event,
    sales::get_sales,
    exposure::get_exposure,
    pool_uses::get_pool_use,
    sales::reconcile,
    events::list_events,
    webhooks::list_webhooks,
    webhooks::create_webhook,
    webhooks::get_webhook,
    webhooks::update_webhook,
    webhooks::delete_webhook,
    webhooks::rotate_webhook_secret,
    webhooks::test_webhook,
    webhooks::list_webhook_deliveries,
    webhooks::get_webhook_delivery,
    webhooks::redeliver_webhook,
    revocations::list_revocations,
    revocations::create_revocation,
    revocations::delete_revocation,
    rotations::get_key_plan,
    rotations::set_key_plan,
    rotations::list_rotations,
    rotations::create_rotation,
    rotations::get_rotation,
    rotations::give_rotation_key,
    rotations::confirm_rotation_revoked,
    rotations::undo_rotation,
    usage::get_usage,
    usage_events::get_usage_events,
    requests::list_requests,
    requests::stream_requests,
    requests::get_request,
    audit::list_audit,
    audit_proofs::get_audit_key,
    audit_proofs::list_audit_checkpoints,
    audit_proofs::get_audit_proof,
    audit_proofs::export_audit,
    audit_proofs::verify_audit,
    audit_proofs::hash_audit_value,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Keystore",
        description = "The control plane of Keystore: credentials, agents, tokens, budgets and traffic.",
        license(name = "Apache-2.0")
    ),
    servers((url = "/", description = "This server")),
    security(("bearer" = []), ("session" = [])),
    components(schemas(Problem)),
    modifiers(&SecuritySchemes)
)]
struct Description;

struct SecuritySchemes;

impl utoipa::Modify for SecuritySchemes {
    fn modify(&self, document: &mut Document) {
        use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
        components.add_security_scheme(
            "session",
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(crate::auth::caller::COOKIE))),
        );
    }
}

/// The description of the API as it is committed and served. That the code has no other is a test.
pub(crate) const DESCRIPTION: &str = include_str!("../../../openapi.json");

/// The description of the API, made from the code. No server makes it: it is for what compares it with `openapi.json`.
pub fn openapi() -> Document {
    let mut document = described().into_openapi();
    description::complete(&mut document);
    document
}

/// The same as it is committed: pretty JSON with a newline at the end.
///
/// # Errors
/// Never for a document that this crate makes.
pub fn openapi_json() -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(&openapi())?;
    text.push('\n');
    Ok(text)
}

/// Everything that the API's listener serves.
pub(crate) fn router(app: &Arc<App>) -> Router {
    // A tool that is an operation is a request like any other.
    let operations = layered(served(), app);
    let tools = move |State(app), request| mcp::serve(app, operations.clone(), request);
    let all = served()
        .route(mcp::PATH, post(tools))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(metrics::metrics))
        .route("/openapi.json", get(health::openapi_document))
        .route("/", get(dashboard::dashboard_file))
        .route("/favicon.svg", get(dashboard::dashboard_file))
        .route("/assets/{file}", get(dashboard::dashboard_file))
        .fallback(envelope::not_found)
        .method_not_allowed_fallback(envelope::method_not_allowed);
    layered(all, app)
}

/// What every answer passes through.
fn layered(routes: Router<Arc<App>>, app: &Arc<App>) -> Router {
    routes
        .layer(DefaultBodyLimit::max(BODY_LIMIT_BYTES))
        .layer(from_fn_with_state(Arc::clone(app), idempotency::idempotent))
        .layer(from_fn_with_state(Arc::clone(app), envelope::envelope))
        .with_state(Arc::clone(app))
}
