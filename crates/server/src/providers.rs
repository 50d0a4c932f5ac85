//! Providers by slug: the organization's own, else the catalog's; and what defines, changes and deletes the former.
//!
//! A definition is kept as the TOML that the catalog's own files are written in, with a MAC over it as over every policy row.
//! Its hosts go through the same egress as every host; one that is an address is refused here already, unless the operator
//! listed it. What a stored credential was sealed for stays in force until the credential is resealed.

use std::net::IpAddr;
use std::sync::Arc;

use keystore_catalog::{Provider, ProviderRef, SchemaError};
use keystore_core::ids::{OrgId, ProviderId};
use keystore_core::policy::ProviderPolicy;
use keystore_store::providers::{self, CustomProvider};
use keystore_store::{Conn, Tx, credentials as credential_rows};
use keystore_wire::problem::Code;
use keystore_wire::providers::{CreateProvider, UpdateProvider};
use serde_json::{Map, Value};

use crate::agents::Forged;
use crate::api::credentials::wire;
use crate::api::problem::{ApiError, ApiResult};
use crate::api::providers::described;
use crate::app::App;
use crate::audit::Event;
use crate::auth::caller::Caller;
use crate::auth::require::Resource;

/// The purpose of the MAC over a definition, as the data plane checks it.
const PROVIDER_MAC: &str = "provider";

/// The most providers that an organization may define.
const MAX_PROVIDERS: u64 = 200;

/// The longest definition, and the longest list of prices, in bytes of TOML.
const MAX_TEXT_BYTES: usize = 128 << 10;

/// How many users of a provider are named when it cannot be deleted.
const NAMED_USERS: u32 = 5;

/// A stored provider with its policy and its definition read.
pub(crate) struct Own {
    /// What it says.
    pub(crate) policy: ProviderPolicy,
    /// The same, read.
    pub(crate) provider: Arc<Provider>,
}

/// The provider with this slug: the organization's own, else the catalog's.
///
/// # Errors
/// `unknown_provider`, with the slug that may have been meant.
pub(crate) async fn find(app: &App, conn: &mut Conn, org: OrgId, slug: &str) -> ApiResult<ProviderRef> {
    match own(app, conn, org, slug).await? {
        Some(own) => Ok(ProviderRef::Custom(own.provider)),
        None => catalog(slug, app.settings.dev).map(ProviderRef::Catalog),
    }
}

impl Resource for Own {
    /// The slug.
    type Key = String;
    const NOUN: &'static str = "provider";

    async fn find(app: &App, conn: &mut Conn, caller: &Caller, key: &String) -> ApiResult<Self> {
        own(app, conn, caller.org, key).await?.ok_or_else(|| {
            let error = ApiError::not_found(Self::NOUN);
            match keystore_catalog::provider(key) {
                Some(_) => error
                    .remedy("it is of the catalog, which cannot be changed; define one with another name"),
                None => error,
            }
        })
    }
}

/// The organization's own provider with this slug.
///
/// # Errors
/// `internal` for a row that is not ours.
pub(crate) async fn own(app: &App, conn: &mut Conn, org: OrgId, slug: &str) -> ApiResult<Option<Own>> {
    let row = providers::by_slug(conn, org, slug).await?;
    row.map(|row| load(app, &row)).transpose()
}

/// The organization's own providers, by slug.
///
/// # Errors
/// As [`own`].
pub(crate) async fn all_own(app: &App, conn: &mut Conn, org: OrgId) -> ApiResult<Vec<Own>> {
    let rows = providers::list(conn, org).await?;
    rows.iter().map(|row| load(app, row)).collect()
}

/// The provider of the catalog with this slug, if it exists in this deployment.
pub(crate) fn catalog(slug: &str, dev: bool) -> ApiResult<&'static Provider> {
    keystore_catalog::provider(slug)
        .filter(|provider| dev || !provider.dev_only)
        .ok_or_else(|| {
            let error = ApiError::new(Code::UnknownProvider, format!("there is no provider `{slug}`"));
            match keystore_catalog::nearest(slug) {
                Some(near) => error.remedy(format!("did you mean `{near}`?")),
                None => error.remedy("`ks provider list --all` shows every provider"),
            }
        })
}

/// A definition that is ours. One that somebody else wrote is neither shown nor signed again by a later change.
fn load(app: &App, row: &CustomProvider) -> ApiResult<Own> {
    let forged = || ApiError::internal(Forged("provider"));
    if !app.policy_mac.verify(PROVIDER_MAC, &row.policy, &row.mac) {
        return Err(forged());
    }
    let policy = row.decode()?;
    if policy.provider != row.id || policy.org != row.org || policy.slug != row.slug {
        return Err(forged());
    }
    let provider = Provider::define(&policy.slug, &policy.definition, policy.prices.as_deref())
        .map_err(ApiError::internal)?;
    Ok(Own {
        policy,
        provider: Arc::new(provider),
    })
}

/// Defines a provider in the caller's transaction.
///
/// # Errors
/// `invalid_request` with a pointer to the member that is wrong, `already_exists`, `conflict`, `forbidden`.
pub(crate) async fn create(app: &App, tx: &mut Tx, caller: &Caller, new: CreateProvider) -> ApiResult<Own> {
    for_whole_org(caller)?;
    if keystore_catalog::provider(&new.slug).is_some() {
        return Err(ApiError::new(
            Code::AlreadyExists,
            format!("`{}` is a provider of the catalog", new.slug),
        )
        .remedy("choose another name, such as the same with your organization's in front"));
    }
    if providers::count(tx, caller.org).await? >= MAX_PROVIDERS {
        return Err(ApiError::new(
            Code::Conflict,
            format!("an organization may define at most {MAX_PROVIDERS} providers"),
        )
        .remedy("delete one that is not used: `ks provider undefine <name>`"));
    }
    let policy = ProviderPolicy {
        provider: ProviderId::new(app.ids.next()),
        org: caller.org,
        slug: new.slug,
        definition: toml_of("/definition", new.definition)?,
        prices: new.prices.map(|prices| toml_of("/prices", prices)).transpose()?,
    };
    let provider = checked(app, &policy)?;
    let mac = app.policy_mac.tag(PROVIDER_MAC, &policy.canonical());
    providers::insert(tx, &policy, &mac, app.clock.now()).await?;
    let own = Own { policy, provider };
    Event::new("create_provider", &own.policy.provider)
        .after(&described(&own)?)?
        .by(tx, caller)?;
    Ok(own)
}

/// Changes what the request names. Requests that begin after the commit follow the new definition.
///
/// # Errors
/// As [`create`]; `not_found`.
pub(crate) async fn update(
    app: &App,
    tx: &mut Tx,
    caller: &Caller,
    own: Own,
    change: UpdateProvider,
) -> ApiResult<Own> {
    for_whole_org(caller)?;
    let event = Event::new("update_provider", &own.policy.provider).before(&described(&own)?)?;
    let mut definition = json_of(&own.policy.definition)?;
    merge(&mut definition, change.definition);
    let prices = own.policy.prices.as_deref().map(json_of).transpose()?;
    let prices = change.prices.apply(prices);
    let policy = ProviderPolicy {
        definition: toml_of("/definition", definition)?,
        prices: prices.map(|prices| toml_of("/prices", prices)).transpose()?,
        ..own.policy
    };
    let provider = checked(app, &policy)?;
    let mac = app.policy_mac.tag(PROVIDER_MAC, &policy.canonical());
    if !providers::update(tx, &policy, &mac, app.clock.now()).await? {
        return Err(ApiError::not_found("provider"));
    }
    let own = Own { policy, provider };
    event.after(&described(&own)?)?.by(tx, caller)?;
    Ok(own)
}

/// Deletes a provider. While credentials or agents use it, only with `force`: its credentials are deleted with it, and the
/// grants open nothing any more.
///
/// # Errors
/// `conflict`, with what uses it.
pub(crate) async fn delete(tx: &mut Tx, caller: &Caller, own: Own, force: bool) -> ApiResult<()> {
    for_whole_org(caller)?;
    let event = Event::new("delete_provider", &own.policy.provider).before(&described(&own)?)?;
    let ProviderPolicy {
        provider, org, slug, ..
    } = own.policy;
    let most = if force { u32::MAX } else { NAMED_USERS + 1 };
    let (credentials, agents) = providers::users(tx, org, &slug, most).await?;
    let is_used = !credentials.is_empty() || !agents.is_empty();
    if is_used && !force {
        let named = credentials.iter().map(ToString::to_string);
        let mut named: Vec<_> = named.chain(agents.iter().map(ToString::to_string)).collect();
        named.truncate(NAMED_USERS as usize);
        return Err(ApiError::new(
            Code::Conflict,
            format!("credentials or agents use the provider: {}, …", named.join(", ")),
        )
        .remedy(format!(
            "delete and ungrant them first, or all at once: `ks provider undefine {slug} --force`, `?force=true` in the API"
        )));
    }
    for credential in credentials {
        if let Some(row) = credential_rows::get(tx, org, credential).await? {
            Event::new("delete_credential", &credential)
                .within(row.project)
                .before(&wire(row))?
                .by(tx, caller)?;
        }
        credential_rows::delete(tx, org, credential).await?;
    }
    if !providers::delete(tx, org, provider).await? {
        return Err(ApiError::not_found("provider"));
    }
    event.by(tx, caller)
}

/// A custom provider is its organization's: a key for one project does not change it.
fn for_whole_org(caller: &Caller) -> ApiResult<()> {
    match caller.project {
        None => Ok(()),
        Some(_) => Err(ApiError::new(
            Code::Forbidden,
            "providers belong to the whole organization, and this key is bound to one project",
        )),
    }
}

/// The definition, read, with hosts that may be dialled.
fn checked(app: &App, policy: &ProviderPolicy) -> ApiResult<Arc<Provider>> {
    let too_long = |text: &str| text.len() > MAX_TEXT_BYTES;
    if too_long(&policy.definition) || policy.prices.as_deref().is_some_and(too_long) {
        return Err(ApiError::field(
            "/definition",
            format!("definition and prices may have at most {MAX_TEXT_BYTES} bytes each"),
        ));
    }
    let provider = Provider::define(&policy.slug, &policy.definition, policy.prices.as_deref())
        .map_err(|error| wrong(&error))?;
    let refused = |address: IpAddr, authority: &str| {
        !keystore_proxy::is_public(address) && !app.settings.allow_upstream.contains(authority)
    };
    for (key, address, authority) in provider.literal_hosts() {
        if refused(address, &authority) {
            return Err(ApiError::field(
                format!("/definition/{}", key.replace('.', "/")),
                format!(
                    "{authority} is not a public address; an operator can allow it with `--allow-upstream {authority}`"
                ),
            ));
        }
    }
    Ok(Arc::new(provider))
}

/// The schema's error as a field: `operations[3].billing` is `/definition/operations/3/billing`.
fn wrong(error: &SchemaError) -> ApiError {
    let pointer = match error.key.as_str() {
        "slug" => "/slug".to_owned(),
        "" => format!("/{}", error.file),
        key => {
            let key = key.replace('[', ".").replace(']', "").replace('.', "/");
            format!("/{}/{key}", error.file)
        }
    };
    ApiError::field(pointer, error.problem.clone())
}

/// JSON as the TOML that is kept.
fn toml_of(pointer: &str, json: Map<String, Value>) -> ApiResult<String> {
    serde_json::from_value::<toml::Table>(Value::Object(json))
        .ok()
        .and_then(|table| toml::to_string(&table).ok())
        .ok_or_else(|| {
            ApiError::field(
                pointer,
                "holds a null, or a number beyond 64 bits; leave out what is not set",
            )
        })
}

/// What is kept, as JSON.
///
/// # Errors
/// `internal`: it is not what [`toml_of`] wrote.
pub(crate) fn json_of(text: &str) -> ApiResult<Map<String, Value>> {
    let table: toml::Table = toml::from_str(text).map_err(ApiError::internal)?;
    match serde_json::to_value(table).map_err(ApiError::internal)? {
        Value::Object(members) => Ok(members),
        _ => Ok(Map::new()),
    }
}

/// A merge patch (RFC 7396).
fn merge(into: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        match (value, into.get_mut(&name)) {
            (Value::Null, _) => drop(into.remove(&name)),
            (Value::Object(patch), Some(Value::Object(own))) => merge(own, patch),
            (Value::Object(patch), _) => {
                let mut fresh = Map::new();
                merge(&mut fresh, patch);
                into.insert(name, Value::Object(fresh));
            }
            (value, _) => drop(into.insert(name, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn members(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(members) => members,
            _ => panic!("{value}"),
        }
    }

    /// The examples of RFC 7396, appendix A, whose target is an object.
    #[test]
    fn a_patch_keeps_takes_away_and_replaces() {
        for (target, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (
                json!({}),
                json!({"a": {"bb": {"ccc": null}}}),
                json!({"a": {"bb": {}}}),
            ),
        ] {
            let mut merged = members(target.clone());
            merge(&mut merged, members(patch.clone()));
            assert_eq!(Value::Object(merged), result, "{target} {patch}");
        }
    }

    #[test]
    fn a_definition_goes_round_and_null_is_no_value() {
        let json =
            json!({"name": "Acme", "operations": [{"name": "a", "path": "/a"}], "env": {"key": ["K"]}});
        let text = toml_of("/definition", members(json.clone())).unwrap();
        assert_eq!(Value::Object(json_of(&text).unwrap()), json);
        assert!(toml_of("/definition", members(json!({"docs_url": null}))).is_err());
    }
}
