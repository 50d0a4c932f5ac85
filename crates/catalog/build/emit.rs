//! Writes values down as Rust constants.
//!
//! A list becomes a `static` of its own, equal lists the same one; the value that holds it borrows it.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;

use keystore_core::policy::Access;
use keystore_core::price::{Choice, ModelMatch, ModelPrice, Place, Surcharge, Tier, UnitPrices, Variant};

use crate::provider::{
    Alternative, BaseUrlVar, Billing, ClientAuth, Env, Field, HeaderPair, Host, InjectionTemplate,
    KeyPattern, Operation, OutputCap, PriceRow, PriceTable, Provider, Sign, Slot, Str, TimeWindow,
    TokenGrant, TokenTemplate, UrlParam, UsageShape, Verify,
};
use crate::schema::template;

/// The source of the tables: the providers and the places of credentials.
pub(crate) fn tables(providers: &[Provider]) -> String {
    let mut statics = Statics::default();
    let rows: Vec<String> = providers
        .iter()
        .map(|provider| provider.emit(&mut statics))
        .collect();
    let (headers, queries) = credential_places(providers);
    let mut source = statics.source;
    push(&mut source, "PROVIDERS", "Provider", &rows);
    push(&mut source, "CREDENTIAL_HEADERS", "&str", &headers);
    push(&mut source, "CREDENTIAL_QUERIES", "&str", &queries);
    source
}

fn push(source: &mut String, name: &str, of: &str, items: &[String]) {
    // Writing to a string cannot fail.
    let _ = writeln!(
        source,
        "static {name}: [{of}; {}] = [{}];",
        items.len(),
        items.join(", ")
    );
}

/// Every header and every query parameter that carries a credential to some vendor. An id that is not secret may stand in a
/// header of a name that means something else elsewhere (`x-user-id`): only its own vendor's policy keeps clients from it.
fn credential_places(providers: &[Provider]) -> (Vec<String>, Vec<String>) {
    let mut headers = BTreeSet::from(["authorization", "proxy-authorization"]);
    let mut queries = BTreeSet::new();
    for provider in providers {
        for slot in provider.token_slots.iter() {
            match slot {
                Slot::Header(name) => headers.insert(name),
                Slot::Query(name) => queries.insert(name.as_ref()),
                // The token of a temporary key.
                Slot::AwsAccessKeyId => headers.insert("x-amz-security-token"),
                Slot::BasicUsername | Slot::BasicPassword | Slot::Path(_) => false,
            };
        }
        for injection in provider
            .injections
            .iter()
            .filter(|injection| holds_secret(provider, injection))
        {
            match injection {
                InjectionTemplate::Header { name, .. } => headers.insert(name),
                InjectionTemplate::Query { name, .. } => queries.insert(name.as_ref()),
                _ => false,
            };
        }
    }
    let quoted = |names: BTreeSet<&str>| names.into_iter().map(|name| format!("{name:?}")).collect();
    (quoted(headers), quoted(queries))
}

fn holds_secret(provider: &Provider, injection: &InjectionTemplate) -> bool {
    let is_secret = |name: &&str| {
        provider
            .fields
            .iter()
            .any(|field| field.secret && field.name == *name)
    };
    injection
        .templates()
        .into_iter()
        .flat_map(|text| template::placeholders(text).unwrap_or_default())
        .any(|name| is_secret(&name))
}

#[derive(Default)]
struct Statics {
    source: String,
    names: HashMap<String, String>,
}

trait Emit {
    /// The type, as the table names it.
    const TYPE: &'static str;

    /// An expression for the value; its lists go to `statics`.
    fn emit(&self, statics: &mut Statics) -> String;
}

impl Statics {
    /// An expression that borrows a list.
    fn list(&mut self, of: &str, items: &[String]) -> String {
        if items.is_empty() {
            return "&[]".to_owned();
        }
        let number = self.names.len();
        let name = match self.names.entry(format!("{of} {}", items.join(", "))) {
            std::collections::hash_map::Entry::Occupied(known) => known.get().clone(),
            std::collections::hash_map::Entry::Vacant(free) => {
                let name = free.insert(format!("L{number}")).clone();
                push(&mut self.source, &name, of, items);
                name
            }
        };
        format!("&{name}")
    }
}

impl<T: Emit + Clone> Emit for Cow<'static, [T]> {
    const TYPE: &'static str = "List<_>";

    fn emit(&self, statics: &mut Statics) -> String {
        let items: Vec<String> = self.iter().map(|item| item.emit(statics)).collect();
        format!("Cow::Borrowed({})", statics.list(T::TYPE, &items))
    }
}

impl Emit for Str {
    const TYPE: &'static str = "Str";

    fn emit(&self, _: &mut Statics) -> String {
        format!("Cow::Borrowed({:?})", self.as_ref())
    }
}

impl<T: Emit> Emit for Option<T> {
    const TYPE: &'static str = "Option<_>";

    fn emit(&self, statics: &mut Statics) -> String {
        match self {
            Some(value) => format!("Some({})", value.emit(statics)),
            None => "None".to_owned(),
        }
    }
}

/// A pair is written as one.
macro_rules! emit_pair {
    ($($left:ident, $right:ident);*) => { $(impl Emit for ($left, $right) {
        const TYPE: &'static str = concat!("(", stringify!($left), ", ", stringify!($right), ")");
        fn emit(&self, statics: &mut Statics) -> String {
            format!("({}, {})", self.0.emit(statics), self.1.emit(statics))
        }
    })* };
}

/// Numbers and truth values are written as they are shown.
macro_rules! emit_plain {
    ($($type:ty),*) => { $(impl Emit for $type {
        const TYPE: &'static str = stringify!($type);
        fn emit(&self, _: &mut Statics) -> String {
            self.to_string()
        }
    })* };
}

/// An enumeration without data is written as its type and its `Debug` name.
macro_rules! emit_name {
    ($($type:ident),*) => { $(impl Emit for $type {
        const TYPE: &'static str = stringify!($type);
        fn emit(&self, _: &mut Statics) -> String {
            format!("{}::{self:?}", stringify!($type))
        }
    })* };
}

/// A struct is written field by field.
macro_rules! emit_struct {
    ($($type:ident { $($field:ident),* $(,)? })*) => { $(impl Emit for $type {
        const TYPE: &'static str = stringify!($type);
        fn emit(&self, statics: &mut Statics) -> String {
            let Self { $($field),* } = self;
            let fields = [$(format!("{}: {}", stringify!($field), $field.emit(statics))),*];
            format!("{} {{ {} }}", stringify!($type), fields.join(", "))
        }
    })* };
}

emit_pair!(Str, u32; Str, Str);
emit_plain!(bool, u8, u16, u32, u64, i64);
emit_name!(Access, Billing, ClientAuth, OutputCap, TokenGrant, UsageShape);
emit_struct! {
    Provider {
        slug, name, category, docs_url, base_url, hosts, self_hosted, dev_only, url_params, fields, injections, alternatives, token_slots,
        default_headers, account_headers, path_encoded_slash, default_billing, operations, bad_key, abuse, refusal_budget_status,
        verify, key_pattern, env, openai_base_path, unverified, prices,
    }
    Host { alias, url }
    UrlParam { name, pattern, description }
    Field { name, label, required, secret, pattern }
    HeaderPair { name, value }
    Alternative { when, injections }
    TokenTemplate { grant, token_url, scope, client_auth, issuer, form, scheme }
    Operation {
        name, methods, path, host, access, billing, usage_shape, output_cap, end_user, ask_usage, minting, max_body_bytes, seconds,
        moves, price_model, websocket,
    }
    Sign { status, pointer, values }
    Verify { method, path, host, invalid_status, note }
    KeyPattern { regex, prefixed, shared_with }
    Env { key, base_url }
    BaseUrlVar { name, path }
    PriceTable { version, rows, index, ruled }
    PriceRow { price, windows }
    TimeWindow { from_minute, to_minute, weekdays }
    Tier { above_input_tokens, prices }
    Variant { service_tier, prices, tiers }
    Choice { when, prices }
    Surcharge { place, per_mille }
    ModelPrice {
        model, aliases, rule, prices, tiers, variants, choices, surcharges, context_window, max_input_tokens, max_output_tokens,
        effective_from, effective_to,
    }
}

impl Emit for UnitPrices {
    const TYPE: &'static str = "UnitPrices";

    fn emit(&self, statics: &mut Statics) -> String {
        let (which, prices) = self.parts();
        let prices: Vec<String> = prices.iter().map(i64::to_string).collect();
        format!(
            "UnitPrices::from_parts({which}, {})",
            statics.list("i64", &prices)
        )
    }
}

impl Emit for Place {
    const TYPE: &'static str = "Place";

    fn emit(&self, statics: &mut Statics) -> String {
        let (name, text) = match self {
            Self::Inference(geo) => ("Inference", geo),
            Self::Host(alias) => ("Host", alias),
        };
        format!("Place::{name}({})", text.emit(statics))
    }
}

impl Emit for ModelMatch {
    const TYPE: &'static str = "ModelMatch";

    fn emit(&self, statics: &mut Statics) -> String {
        let (name, value) = match self {
            Self::Equals(text) => ("Equals", text.emit(statics)),
            Self::StartsWith(text) => ("StartsWith", text.emit(statics)),
            Self::EndsWith(text) => ("EndsWith", text.emit(statics)),
            Self::Contains(text) => ("Contains", text.emit(statics)),
            Self::All(rules) => ("All", rules.emit(statics)),
            Self::Any(rules) => ("Any", rules.emit(statics)),
            Self::Not(rules) => ("Not", rules.emit(statics)),
        };
        format!("ModelMatch::{name}({value})")
    }
}

impl Emit for Slot {
    const TYPE: &'static str = "Slot";

    fn emit(&self, statics: &mut Statics) -> String {
        match self {
            Self::Header(name) => format!("Slot::Header({})", name.emit(statics)),
            Self::BasicUsername => "Slot::BasicUsername".to_owned(),
            Self::BasicPassword => "Slot::BasicPassword".to_owned(),
            Self::Query(name) => format!("Slot::Query({})", name.emit(statics)),
            Self::AwsAccessKeyId => "Slot::AwsAccessKeyId".to_owned(),
            Self::Path(prefix) => format!("Slot::Path({})", prefix.emit(statics)),
        }
    }
}

impl Emit for InjectionTemplate {
    const TYPE: &'static str = "InjectionTemplate";

    fn emit(&self, statics: &mut Statics) -> String {
        let (kind, fields): (&str, Vec<(&str, &Str)>) = match self {
            Self::Bearer { template } => ("Bearer", vec![("template", template)]),
            Self::Header { name, template } => ("Header", vec![("name", name), ("template", template)]),
            Self::Basic { username, password } => {
                ("Basic", vec![("username", username), ("password", password)])
            }
            Self::Query { name, template } => ("Query", vec![("name", name), ("template", template)]),
            Self::Path { template } => ("Path", vec![("template", template)]),
            Self::Sigv4 {
                access_key_id,
                service,
                region,
                services,
            } => {
                return format!(
                    "InjectionTemplate::Sigv4 {{ access_key_id: {}, service: {}, region: {}, services: {} }}",
                    access_key_id.emit(statics),
                    service.emit(statics),
                    region.emit(statics),
                    services.emit(statics)
                );
            }
            Self::Token(token) => return format!("InjectionTemplate::Token({})", token.emit(statics)),
        };
        let fields: Vec<String> = fields
            .into_iter()
            .map(|(name, text)| format!("{name}: {}", text.emit(statics)))
            .collect();
        format!("InjectionTemplate::{kind} {{ {} }}", fields.join(", "))
    }
}
