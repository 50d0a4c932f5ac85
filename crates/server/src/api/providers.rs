//! `/v1/providers`: the catalog as clients see it. The same for everyone.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keystore_catalog as catalog;
use keystore_wire::Page;
use keystore_wire::providers::{
    BaseUrlVar, Billing, Env, Field, Host, ListProviders, Operation, Param, Provider, ProviderSummary,
};

use super::extract::{Id, Query};
use super::page::Slice;
use super::problem::ApiResult;
use crate::app::App;
use crate::auth::require::{Require, SeeOrg};
use crate::grants;

/// The providers of the catalog, by slug.
#[utoipa::path(get, path = "/v1/providers", tag = "providers", params(ListProviders),
    responses((status = 200, body = Page<ProviderSummary>)))]
pub(super) async fn list_providers(
    State(app): State<Arc<App>>,
    _caller: Require<SeeOrg>,
    Query(query): Query<ListProviders>,
) -> ApiResult<Json<Page<ProviderSummary>>> {
    let slice = Slice::<String>::of(query.limit, query.after.as_deref())?;
    let after = slice.after.as_deref().unwrap_or_default();
    let found: Vec<_> = catalog::providers()
        .iter()
        .filter(|provider| app.settings.dev || !provider.dev_only)
        .filter(|provider| {
            query
                .category
                .as_ref()
                .is_none_or(|category| provider.category == *category)
        })
        .filter(|provider| provider.slug.as_ref() > after)
        .take(slice.read() as usize)
        .collect();
    Ok(Json(slice.page(
        found,
        |provider| provider.slug.to_string(),
        summary,
    )))
}

/// All that is known of a provider.
#[utoipa::path(get, path = "/v1/providers/{provider}", tag = "providers",
    params(("provider" = String, Path, description = "Slug")), responses((status = 200, body = Provider)))]
pub(super) async fn get_provider(
    State(app): State<Arc<App>>,
    _caller: Require<SeeOrg>,
    Id(slug): Id<String>,
) -> ApiResult<Json<Provider>> {
    Ok(Json(wire(grants::provider(&slug, app.settings.dev)?)))
}

fn summary(provider: &catalog::Provider) -> ProviderSummary {
    ProviderSummary {
        slug: provider.slug.to_string(),
        name: provider.name.to_string(),
        category: provider.category.to_string(),
        docs_url: provider.docs_url.as_ref().map(ToString::to_string),
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
