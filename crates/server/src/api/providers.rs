//! `/v1/providers`: the catalog, the same for everyone, and the providers that the organization defined for itself.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use keystore_catalog as catalog;
use keystore_wire::Page;
use keystore_wire::providers::{
    BaseUrlVar, Billing, CreateProvider, Env, Field, Host, ListProviders, Operation, Param, Provider,
    ProviderSummary, UpdateProvider,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{Body, Id, Query};
use super::page::Slice;
use super::problem::ApiResult;
use crate::app::App;
use crate::auth::require::{ManageCredentials, Require, SeeOrg, Target};
use crate::providers::{self, Own};

/// The providers that there are, by slug: the catalog's and the organization's own.
#[utoipa::path(get, path = "/v1/providers", tag = "providers", params(ListProviders),
    responses((status = 200, body = Page<ProviderSummary>)))]
pub(super) async fn list_providers(
    State(app): State<Arc<App>>,
    caller: Require<SeeOrg>,
    Query(query): Query<ListProviders>,
) -> ApiResult<Json<Page<ProviderSummary>>> {
    let slice = Slice::<String>::of(query.limit, query.after.as_deref())?;
    let after = slice.after.as_deref().unwrap_or_default();
    let own = providers::all_own(&app, &mut app.store.read().await?, caller.org).await?;
    let of_catalog = catalog::providers()
        .iter()
        .filter(|provider| app.settings.dev || !provider.dev_only)
        .filter(|provider| own.iter().all(|own| own.policy.slug != provider.slug))
        .map(|provider| (provider, false));
    let search = query.search.as_deref().map(str::to_lowercase);
    let mut found: Vec<_> = own
        .iter()
        .map(|own| (&*own.provider, true))
        .chain(of_catalog)
        .filter(|(provider, custom)| {
            provider.slug.as_ref() > after
                && query.custom.is_none_or(|wanted| wanted == *custom)
                && query
                    .category
                    .as_ref()
                    .is_none_or(|category| provider.category == *category)
                && search.as_deref().is_none_or(|text| matches(provider, text))
        })
        .collect();
    found.sort_unstable_by(|(left, _), (right, _)| left.slug.cmp(&right.slug));
    found.truncate(slice.read() as usize);
    Ok(Json(slice.page(
        found,
        |(provider, _)| provider.slug.to_string(),
        |(provider, custom)| summary(provider, custom),
    )))
}

fn matches(provider: &catalog::Provider, text: &str) -> bool {
    provider.slug.contains(text) || provider.name.to_lowercase().contains(text)
}

/// All that is known of a provider.
#[utoipa::path(get, path = "/v1/providers/{provider}", tag = "providers",
    params(("provider" = String, Path, description = "Slug")), responses((status = 200, body = Provider)))]
pub(super) async fn get_provider(
    State(app): State<Arc<App>>,
    caller: Require<SeeOrg>,
    Id(slug): Id<String>,
) -> ApiResult<Json<Provider>> {
    let mut conn = app.store.read().await?;
    match providers::own(&app, &mut conn, caller.org, &slug).await? {
        Some(own) => Ok(Json(described(&own)?)),
        None => Ok(Json(wire(
            &*providers::find(&app, &mut conn, caller.org, &slug).await?,
        ))),
    }
}

/// Defines a provider of the organization's own, as a file of the catalog would.
#[utoipa::path(post, path = "/v1/providers", tag = "providers", request_body = CreateProvider,
    responses((status = 201, body = Provider)))]
pub(super) async fn create_provider(
    State(app): State<Arc<App>>,
    caller: Require<ManageCredentials>,
    Body(body): Body<CreateProvider>,
) -> ApiResult<(StatusCode, Json<Provider>)> {
    let mut tx = app.store.begin().await?;
    let own = providers::create(&app, &mut tx, &caller, body).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(described(&own)?)))
}

/// Changes a provider of the organization's own. Requests that begin after the answer follow the new definition; where stored
/// credentials may go is changed by resealing them.
#[utoipa::path(patch, path = "/v1/providers/{provider}", tag = "providers", request_body = UpdateProvider,
    params(("provider" = String, Path, description = "Slug")), responses((status = 200, body = Provider)))]
pub(super) async fn update_provider(
    State(app): State<Arc<App>>,
    target: Target<ManageCredentials, Own>,
    Body(body): Body<UpdateProvider>,
) -> ApiResult<Json<Provider>> {
    let (mut tx, own) = target.change(&app).await?;
    let own = providers::update(&app, &mut tx, &target, own, body).await?;
    tx.commit().await?;
    Ok(Json(described(&own)?))
}

/// Whether to delete a provider that is used.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeleteProvider {
    /// Delete its credentials with it, and leave grants of it that open nothing.
    #[serde(default)]
    force: bool,
}

/// Deletes a provider of the organization's own.
#[utoipa::path(delete, path = "/v1/providers/{provider}", tag = "providers",
    params(("provider" = String, Path, description = "Slug"), DeleteProvider), responses((status = 204)))]
pub(super) async fn delete_provider(
    State(app): State<Arc<App>>,
    target: Target<ManageCredentials, Own>,
    Query(query): Query<DeleteProvider>,
) -> ApiResult<StatusCode> {
    let (mut tx, own) = target.change(&app).await?;
    providers::delete(&mut tx, &target, own, query.force).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A provider of the organization's own, with its definition, as an answer and the audit log show it.
pub(crate) fn described(own: &Own) -> ApiResult<Provider> {
    let prices = own.policy.prices.as_deref().map(providers::json_of).transpose()?;
    Ok(Provider {
        custom: true,
        definition: Some(providers::json_of(&own.policy.definition)?),
        prices,
        ..wire(&own.provider)
    })
}

fn summary(provider: &catalog::Provider, custom: bool) -> ProviderSummary {
    ProviderSummary {
        slug: provider.slug.to_string(),
        name: provider.name.to_string(),
        category: provider.category.to_string(),
        docs_url: provider.docs_url.as_ref().map(ToString::to_string),
        custom,
    }
}

fn wire(provider: &catalog::Provider) -> Provider {
    let texts = |list: &catalog::List<catalog::Str>| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    Provider {
        slug: provider.slug.to_string(),
        name: provider.name.to_string(),
        category: provider.category.to_string(),
        docs_url: provider.docs_url.as_ref().map(ToString::to_string),
        base_url: provider.base_url.as_ref().map(ToString::to_string),
        hosts: provider.hosts.iter().map(host).collect(),
        self_hosted: provider.self_hosted,
        params: provider.url_params.iter().map(param).collect(),
        fields: provider.fields.iter().map(field).collect(),
        testable: provider.verify.is_some(),
        env: Env {
            key: texts(&provider.env.key),
            base_url: provider.env.base_url.iter().map(base_url_var).collect(),
        },
        operations: provider.operations.iter().map(operation).collect(),
        priced_models: u32::try_from(provider.prices.rows.len()).unwrap_or(u32::MAX),
        unverified: texts(&provider.unverified),
        auth: provider
            .injections
            .iter()
            .map(injected)
            .chain(alternatives(provider))
            .collect(),
        custom: false,
        definition: None,
        prices: None,
    }
}

/// What is written in the place of the usual for a credential with a certain parameter.
fn alternatives(provider: &catalog::Provider) -> impl Iterator<Item = String> {
    provider.alternatives.iter().flat_map(|other| {
        let told = move |injection| format!("{} (with the parameter {})", injected(injection), other.when);
        other.injections.iter().map(told)
    })
}

/// Where and how a credential is written into a request, as a person would write the request down.
fn injected(injection: &catalog::InjectionTemplate) -> String {
    use catalog::InjectionTemplate as Kind;
    match injection {
        Kind::Bearer { template } => format!("authorization: Bearer {template}"),
        Kind::Header { name, template } => format!("{name}: {template}"),
        Kind::Basic { username, password } => format!("authorization: Basic {username}:{password}"),
        Kind::Query { name, template } => format!("?{name}={template}"),
        Kind::Path { template } => format!("{template}/…"),
        Kind::Sigv4 { service, region, .. } => {
            format!("authorization: AWS4-HMAC-SHA256 … (service {service}, region {region})")
        }
        Kind::Token(token) => format!(
            "authorization: {} … (a token from {})",
            token.scheme, token.token_url
        ),
    }
}

fn host(host: &catalog::Host) -> Host {
    Host {
        alias: host.alias.to_string(),
        url: host.url.to_string(),
    }
}

fn param(param: &catalog::UrlParam) -> Param {
    Param {
        name: param.name.to_string(),
        pattern: param.pattern.to_string(),
        description: param.description.to_string(),
    }
}

fn field(field: &catalog::Field) -> Field {
    Field {
        name: field.name.to_string(),
        label: field.label.to_string(),
        required: field.required,
        secret: field.secret,
    }
}

fn base_url_var(variable: &catalog::BaseUrlVar) -> BaseUrlVar {
    BaseUrlVar {
        name: variable.name.to_string(),
        path: variable.path.to_string(),
    }
}

fn operation(operation: &catalog::Operation) -> Operation {
    Operation {
        name: operation.name.to_string(),
        methods: operation.methods.iter().map(ToString::to_string).collect(),
        path: operation.path.to_string(),
        access: operation.access,
        billing: match operation.billing {
            catalog::Billing::Metered => Billing::Metered,
            catalog::Billing::PerCall => Billing::PerCall,
            catalog::Billing::External => Billing::External,
        },
        closed: operation.minting,
    }
}
