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
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::mcp;

/// The largest request body, in bytes. The largest honest one is a credential with a private key in it.
pub(crate) const BODY_LIMIT_BYTES: usize = 256 << 10;

/// How long a handler may take until the head of its answer. Testing a credential waits for a vendor.
const HANDLER_LIMIT: Duration = Duration::from_secs(60);

fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(auth::sign_up))
        .routes(routes!(auth::log_in))
        .routes(routes!(auth::log_out))
        .routes(routes!(auth::refresh_session))
        .routes(routes!(auth::exchange_code))
        .routes(routes!(auth::switch_org))
        .routes(routes!(auth::who_am_i))
        .routes(routes!(auth::forgot_password))
        .routes(routes!(auth::reset_password))
        .routes(routes!(auth::send_verification))
        .routes(routes!(auth::verify_email))
        .routes(routes!(auth::accept_invitation))
        .routes(routes!(auth::change_password))
        .routes(routes!(factors::verify_second_factor))
        .routes(routes!(factors::get_factors))
        .routes(routes!(factors::begin_totp))
        .routes(routes!(factors::confirm_totp))
        .routes(routes!(factors::remove_totp))
        .routes(routes!(factors::renew_recovery_codes))
        .routes(routes!(passkeys::begin_passkey))
        .routes(routes!(passkeys::add_passkey))
        .routes(routes!(passkeys::remove_passkey))
        .routes(routes!(passkeys::ask_passkey))
        .routes(routes!(passkeys::sign_in_with_passkey))
        .routes(routes!(sessions::list_sessions))
        .routes(routes!(sessions::end_sessions))
        .routes(routes!(sessions::end_session))
        .routes(routes!(orgs::list_orgs, orgs::create_org))
        .routes(routes!(orgs::get_org, orgs::update_org, orgs::delete_org))
        .routes(routes!(orgs::transfer_org))
        .routes(routes!(limits::get_org_limits, limits::update_org_limits))
        .routes(routes!(abuse::get_org_abuse_rules, abuse::update_org_abuse_rules))
        .routes(routes!(members::leave_org))
        .routes(routes!(members::list_members))
        .routes(routes!(members::update_member, members::remove_member))
        .routes(routes!(members::list_invitations, members::create_invitation))
        .routes(routes!(members::delete_invitation))
        .routes(routes!(projects::list_projects, projects::create_project))
        .routes(routes!(
            projects::get_project,
            projects::update_project,
            projects::delete_project
        ))
        .routes(routes!(limits::get_project_limits, limits::update_project_limits))
        .routes(routes!(
            abuse::get_project_abuse_rules,
            abuse::update_project_abuse_rules
        ))
        .routes(routes!(api_keys::list_api_keys, api_keys::create_api_key))
        .routes(routes!(
            api_keys::get_api_key,
            api_keys::update_api_key,
            api_keys::delete_api_key
        ))
        .routes(routes!(providers::list_providers, providers::create_provider))
        .routes(routes!(
            providers::get_provider,
            providers::update_provider,
            providers::delete_provider
        ))
        .routes(routes!(
            credentials::list_credentials,
            credentials::create_credential
        ))
        .routes(routes!(
            credentials::get_credential,
            credentials::update_credential,
            credentials::delete_credential
        ))
        .routes(routes!(credentials::reseal_credential))
        .routes(routes!(credentials::rotate_credential))
        .routes(routes!(credentials::test_credential))
        .routes(routes!(agents::list_agents, agents::create_agent))
        .routes(routes!(
            agents::get_agent,
            agents::update_agent,
            agents::delete_agent
        ))
        .routes(routes!(
            abuse::get_agent_abuse_rules,
            abuse::update_agent_abuse_rules
        ))
        .routes(routes!(agents::pause_agent))
        .routes(routes!(agents::resume_agent))
        .routes(routes!(agents::revoke_agent))
        .routes(routes!(tokens::list_tokens, tokens::create_token))
        .routes(routes!(tokens::get_token))
        .routes(routes!(tokens::revoke_token))
        .routes(routes!(tokens::rotate_token))
        .routes(routes!(access_requests::list_access_requests))
        .routes(routes!(access_requests::get_access_request))
        .routes(routes!(access_requests::approve_access_request))
        .routes(routes!(access_requests::deny_access_request))
        .routes(routes!(budgets::list_budgets, budgets::create_budget))
        .routes(routes!(budgets::check_budgets))
        .routes(routes!(
            budgets::get_budget,
            budgets::update_budget,
            budgets::delete_budget
        ))
        .routes(routes!(budgets::raise_budget, budgets::end_budget_raise))
        .routes(routes!(budgets::get_budget_history))
        .routes(routes!(budgets::get_budget_holds))
        .routes(routes!(prices::list_prices, prices::set_price))
        .routes(routes!(prices::unset_price))
        .routes(routes!(prices::get_price_in_force))
        .routes(routes!(keks::get_kek_status))
        .routes(routes!(keks::rotate_kek))
        .routes(routes!(keks::rewrap_keks))
        .routes(routes!(keks::verify_keks))
        .routes(routes!(keks::retire_kek))
        .routes(routes!(keks::destroy_kek))
        .routes(routes!(keks::shred_keks))
        .routes(routes!(keks::set_customer_key))
        .routes(routes!(keks::begin_kek_import))
        .routes(routes!(keks::finish_kek_import))
        .routes(routes!(labels::list_label_rules, labels::set_label_rule))
        .routes(routes!(labels::unset_label_rule))
        .routes(routes!(marketplace::list_listings))
        .routes(routes!(marketplace::get_listing))
        .routes(routes!(marketplace::enable_listing))
        .routes(routes!(marketplace::disable_listing))
        .routes(routes!(
            marketplace::list_migrations,
            marketplace::create_migration
        ))
        .routes(routes!(marketplace::undo_migration))
        .routes(routes!(operator::set_up_operator))
        .routes(routes!(
            operator::list_pool_credentials,
            operator::create_pool_credential
        ))
        .routes(routes!(
            operator::get_pool_credential,
            operator::update_pool_credential,
            operator::delete_pool_credential
        ))
        .routes(routes!(
            pool_tenants::get_pool_tenants,
            pool_tenants::set_pool_tenant
        ))
        .routes(routes!(pool_tenants::get_pool_rules, pool_tenants::set_pool_rule))
        .routes(routes!(operator::set_listing))
        .routes(routes!(operator::get_price_book, operator::change_prices))
        .routes(routes!(billing::list_customers))
        .routes(routes!(billing::get_terms, billing::set_terms))
        .routes(routes!(billing::list_books, billing::post_to_ledger))
        .routes(routes!(billing::list_customer_invoices))
        .routes(routes!(billing::get_balance))
        .routes(routes!(billing::list_ledger))
        .routes(routes!(billing::list_invoices))
        .routes(routes!(billing::get_invoice))
        .routes(routes!(payments::create_top_up))
        .routes(routes!(
            payments::get_auto_top_up,
            payments::set_auto_top_up,
            payments::delete_auto_top_up
        ))
        .routes(routes!(payments::list_payments))
        .routes(routes!(payments::settle_payment))
        .routes(routes!(payments::receive_stripe_event))
        .routes(routes!(sales::get_sales))
        .routes(routes!(exposure::get_exposure))
        .routes(routes!(pool_uses::get_pool_use))
        .routes(routes!(sales::reconcile))
        .routes(routes!(events::list_events))
        .routes(routes!(webhooks::list_webhooks, webhooks::create_webhook))
        .routes(routes!(
            webhooks::get_webhook,
            webhooks::update_webhook,
            webhooks::delete_webhook
        ))
        .routes(routes!(webhooks::rotate_webhook_secret))
        .routes(routes!(webhooks::test_webhook))
        .routes(routes!(webhooks::list_webhook_deliveries))
        .routes(routes!(webhooks::get_webhook_delivery))
        .routes(routes!(webhooks::redeliver_webhook))
        .routes(routes!(
            revocations::list_revocations,
            revocations::create_revocation
        ))
        .routes(routes!(revocations::delete_revocation))
        .routes(routes!(rotations::get_key_plan, rotations::set_key_plan))
        .routes(routes!(rotations::list_rotations, rotations::create_rotation))
        .routes(routes!(rotations::get_rotation))
        .routes(routes!(rotations::give_rotation_key))
        .routes(routes!(rotations::confirm_rotation_revoked))
        .routes(routes!(rotations::undo_rotation))
        .routes(routes!(usage::get_usage))
        .routes(routes!(usage_events::get_usage_events))
        .routes(routes!(requests::list_requests))
        .routes(routes!(requests::stream_requests))
        .routes(routes!(requests::get_request))
        .routes(routes!(audit::list_audit))
        .routes(routes!(audit_proofs::get_audit_key))
        .routes(routes!(audit_proofs::list_audit_checkpoints))
        .routes(routes!(audit_proofs::get_audit_proof))
        .routes(routes!(audit_proofs::export_audit))
        .routes(routes!(audit_proofs::verify_audit))
        .routes(routes!(audit_proofs::hash_audit_value))
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

/// The description of the API: what `openapi.json` holds.
pub fn openapi() -> Document {
    let mut document = routes().into_openapi();
    description::complete(&mut document);
    document
}

/// The description as it is committed and served: pretty JSON with a newline at the end.
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
    let (documented, _) = routes().split_for_parts();
    // A tool that is an operation is a request like any other.
    let operations = layered(documented.clone(), app);
    let tools = move |State(app), request| mcp::serve(app, operations.clone(), request);
    let all = documented
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
