//! `catalog/providers/<slug>.toml`.

use std::collections::BTreeSet;

use keystore_core::price::Place;

use super::section::{Read, Section, nearest, quoted};
use super::template::{self, is_header_name, is_header_value, is_name, is_slug};
use super::{inject, key, operations};
use crate::origin;
use crate::provider::{
    Billing, Field, HeaderPair, Host, InjectionTemplate, PriceTable, Provider, Str, UrlParam,
};

const CATEGORIES: [&str; 15] = [
    "cloud",
    "crm",
    "database",
    "devtools",
    "email",
    "embedding",
    "image",
    "llm",
    "messaging",
    "other",
    "payments",
    "productivity",
    "scrape",
    "search",
    "voice",
];

/// First words of paths under `/v1/`: as a slug they would make a forgotten slug look like a provider.
const FORBIDDEN_SLUGS: [&str; 36] = [
    "agents",
    "api-keys",
    "assistants",
    "audio",
    "audit",
    "auth",
    "batches",
    "billing",
    "budgets",
    "chat",
    "completions",
    "credentials",
    "embeddings",
    "files",
    "images",
    "me",
    "messages",
    "models",
    "moderations",
    "operator",
    "organization",
    "organizations",
    "orgs",
    "projects",
    "providers",
    "realtime",
    "requests",
    "rerank",
    "responses",
    "revocations",
    "threads",
    "tokens",
    "uploads",
    "usage",
    "videos",
    "webhooks",
];

/// Headers that belong to a connection or to us.
pub(crate) const RESERVED_HEADERS: [&str; 12] = [
    "connection",
    "content-length",
    "cookie",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// One label of a DNS name.
const LABEL: &str = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?";

/// Reads a provider file.
pub(crate) fn read(slug: &str, mut file: Section, prices: PriceTable) -> Read<Provider> {
    check_slug(&file, slug)?;
    let name = file.required("name")?;
    let category = file.required("category")?;
    if !CATEGORIES.contains(&category.as_str()) {
        return Err(file.error(
            "category",
            format!("`{category}` is not known; write one of {}", quoted(&CATEGORIES)),
        ));
    }
    let self_hosted = file.flag("self_hosted")?;
    let dev_only = file.flag("dev_only")?;
    let url_params = read_params(&mut file)?;
    let base_url = read_base_url(&mut file, &url_params, self_hosted || dev_only)?;
    let hosts = read_hosts(&mut file, &url_params)?;
    let fields = read_fields(&mut file)?;
    let injections = inject::read(&mut file, &fields, &url_params)?;
    let default_billing = file
        .choice(
            "default_billing",
            &[("metered", Billing::Metered), ("external", Billing::External)],
        )?
        .unwrap_or(Billing::External);
    check_places(&file, &hosts, &prices)?;
    let operations = operations::read(&mut file, &hosts, default_billing, &prices)?;
    let verify = key::read_verify(&mut file, &hosts, &fields, &url_params)?;
    let mut account_headers = file.texts("account_headers")?;
    account_headers.sort_unstable();
    if let Some(wrong) = account_headers.iter().find(|name| !is_header_name(name)) {
        return Err(file.error(
            "account_headers",
            format!("`{wrong}` is not a header name in lower case"),
        ));
    }
    let token_slots = inject::read_slots(&mut file, &injections)?;
    let default_headers = read_default_headers(&mut file)?;
    let path_encoded_slash = one_flag(&mut file, "path", "encoded_slash")?;
    let refusal_budget_status = key::read_refusal(&mut file)?;
    let provider = Provider {
        slug: slug.to_owned().into(),
        name: name.into(),
        category: category.into(),
        docs_url: read_https(&mut file, "docs_url")?,
        base_url,
        hosts: hosts.into(),
        self_hosted,
        dev_only,
        url_params: url_params.into(),
        fields: fields.into(),
        injections: injections.usual.into(),
        alternatives: injections.alternatives.into(),
        token_slots: token_slots.into(),
        default_headers: default_headers.into(),
        account_headers: account_headers.into_iter().map(Str::from).collect(),
        path_encoded_slash,
        default_billing,
        operations: operations.into(),
        bad_key: key::read_bad_keys(&mut file)?.into(),
        abuse: key::read_abuse(&mut file)?.into(),
        refusal_budget_status,
        verify,
        key_pattern: key::read_key_pattern(&mut file)?,
        env: key::read_env(&mut file)?,
        openai_base_path: key::read_openai_base(&mut file)?,
        unverified: file.texts("unverified")?.into_iter().map(Str::from).collect(),
        prices,
    };
    check_params_used(&file, &provider)?;
    file.finish()?;
    Ok(provider)
}

fn check_slug(file: &Section, slug: &str) -> Read<()> {
    if !is_slug(slug) {
        return Err(file.error("slug", format!("`{slug}` is not a slug; name the file with lower-case letters, digits and single hyphens, at most 40")));
    }
    if FORBIDDEN_SLUGS.contains(&slug) {
        return Err(file.error(
            "slug",
            format!(
                "`{slug}` is a word of paths under /v1/; name the file otherwise, for example `{slug}-api`"
            ),
        ));
    }
    Ok(())
}

fn read_params(file: &mut Section) -> Read<Vec<UrlParam>> {
    let mut params = Vec::new();
    for (name, mut section) in file.named_sections("params")? {
        if !is_name(&name) {
            return Err(section.error("", "name it with lower-case letters, digits and `_`"));
        }
        let pattern = section.text("pattern")?.unwrap_or_else(|| LABEL.to_owned());
        check_regex(&section, "pattern", &pattern)?;
        let description = section.required("description")?.into();
        section.finish()?;
        params.push(UrlParam {
            name: name.into(),
            pattern: pattern.into(),
            description,
        });
    }
    Ok(params)
}

pub(crate) fn check_regex(section: &Section, key: &str, pattern: &str) -> Read<()> {
    match regex::Regex::new(pattern) {
        Ok(_) => Ok(()),
        Err(_) => Err(section.error(
            key,
            "is not a regular expression (Rust `regex` syntax, without look-around)",
        )),
    }
}

fn read_base_url(file: &mut Section, params: &[UrlParam], may_lack: bool) -> Read<Option<Str>> {
    let Some(url) = file.text("base_url")? else {
        if may_lack {
            return Ok(None);
        }
        return Err(file.error("base_url", "is missing; write `base_url = \"https://…\"`, or `self_hosted = true` where each user has a host of their own"));
    };
    check_host_url(file, "base_url", &url, params)?;
    Ok(Some(url.into()))
}

/// A host of the catalog is TLS, and each of its placeholders is a parameter.
pub(crate) fn check_host_url(section: &Section, key: &str, url: &str, params: &[UrlParam]) -> Read<()> {
    check_placeholders(section, key, url, &[], params)?;
    if !url.starts_with("https://") {
        return Err(section.error(key, "must begin with https://"));
    }
    match origin::parse("", &template::fill(url, |_| Some("x"))) {
        Ok(_) => Ok(()),
        Err(problem) => Err(section.error(key, problem)),
    }
}

/// Every placeholder of `text` is one of the fields or of the parameters.
pub(crate) fn check_placeholders(
    section: &Section,
    key: &str,
    text: &str,
    fields: &[&str],
    params: &[UrlParam],
) -> Read<()> {
    let names = template::placeholders(text).map_err(|problem| section.error(key, problem))?;
    let known: Vec<&str> = fields
        .iter()
        .copied()
        .chain(params.iter().map(|param| param.name.as_ref()))
        .collect();
    match names.into_iter().find(|name| !known.contains(name)) {
        None => Ok(()),
        Some(name) => {
            let instead = nearest(name, known.iter().copied()).map_or_else(
                || {
                    format!(
                        "write one of {}, or declare it under `[params]` or `[fields]`",
                        quoted(&known)
                    )
                },
                |near| format!("did you mean `{{{near}}}`?"),
            );
            Err(section.error(key, format!("`{{{name}}}` is not known here; {instead}")))
        }
    }
}

/// Whether every host at which tokens cost more is one of the provider.
fn check_places(file: &Section, hosts: &[Host], prices: &PriceTable) -> Read<()> {
    let surcharges = prices.rows.iter().flat_map(|row| row.price.surcharges.iter());
    for surcharge in surcharges {
        if let Place::Host(alias) = &surcharge.place {
            operations::check_host(file, alias, hosts)?;
        }
    }
    Ok(())
}

fn read_hosts(file: &mut Section, params: &[UrlParam]) -> Read<Vec<Host>> {
    let mut hosts = Vec::new();
    for (alias, url) in file.named_texts("hosts")? {
        let key = format!("hosts.{alias}");
        if !is_slug(&alias) {
            return Err(file.error(&key, "name it with lower-case letters, digits and single hyphens"));
        }
        check_host_url(file, &key, &url, params)?;
        hosts.push(Host {
            alias: alias.into(),
            url: url.into(),
        });
    }
    Ok(hosts)
}

fn read_fields(file: &mut Section) -> Read<Vec<Field>> {
    let mut fields = Vec::new();
    for (name, mut section) in file.named_sections("fields")? {
        if !is_name(&name) {
            return Err(section.error("", "name it with lower-case letters, digits and `_`"));
        }
        let pattern = section.text("pattern")?;
        if let Some(pattern) = &pattern {
            check_regex(&section, "pattern", pattern)?;
        }
        fields.push(Field {
            name: name.into(),
            label: section.required("label")?.into(),
            required: section.optional_flag("required")?.unwrap_or(true),
            secret: section.optional_flag("secret")?.unwrap_or(true),
            pattern: pattern.map(Str::from),
        });
        section.finish()?;
    }
    if fields.is_empty() {
        fields.push(Field {
            name: "key".into(),
            label: "API key".into(),
            required: true,
            secret: true,
            pattern: None,
        });
    }
    // The main field stands first, the others by name.
    fields.sort_by(|left, right| (left.name != "key", &left.name).cmp(&(right.name != "key", &right.name)));
    match fields.first() {
        Some(first) if first.name == "key" && first.secret => Ok(fields),
        _ => Err(file.error(
            "fields",
            "has no secret field `key`; that is the name of the main one",
        )),
    }
}

fn read_default_headers(file: &mut Section) -> Read<Vec<HeaderPair>> {
    let mut headers = Vec::new();
    for (name, value) in file.named_texts("default_headers")? {
        let key = format!("default_headers.{name}");
        if !is_header_name(&name) || RESERVED_HEADERS.contains(&name.as_str()) || name == "authorization" {
            return Err(file.error(&key, "is not a header in lower case that can be added"));
        }
        if !is_header_value(&value) {
            return Err(file.error(&key, "write visible ASCII"));
        }
        headers.push(HeaderPair {
            name: name.into(),
            value: value.into(),
        });
    }
    Ok(headers)
}

fn one_flag(file: &mut Section, key: &'static str, flag: &'static str) -> Read<bool> {
    let Some(mut section) = file.section(key)? else {
        return Ok(false);
    };
    let set = section.flag(flag)?;
    section.finish()?;
    Ok(set)
}

fn read_https(file: &mut Section, key: &'static str) -> Read<Option<Str>> {
    match file.text(key)? {
        Some(url) if !url.starts_with("https://") => Err(file.error(key, "must begin with https://")),
        url => Ok(url.map(Str::from)),
    }
}

/// A parameter that nothing uses is a slip of the pen.
fn check_params_used(file: &Section, provider: &Provider) -> Read<()> {
    let alternatives = || {
        provider
            .alternatives
            .iter()
            .flat_map(|other| other.injections.iter())
    };
    let texts = provider
        .base_url
        .iter()
        .chain(provider.hosts.iter().map(|host| &host.url))
        .chain(provider.verify.iter().map(|verify| &verify.path))
        .map(AsRef::as_ref)
        .chain(provider.injections.iter().flat_map(InjectionTemplate::templates))
        .chain(alternatives().flat_map(InjectionTemplate::templates));
    let used: BTreeSet<&str> = texts
        .flat_map(|text| template::placeholders(text).unwrap_or_default())
        .chain(provider.alternatives.iter().map(|other| other.when.as_ref()))
        .collect();
    match provider
        .url_params
        .iter()
        .find(|param| !used.contains(param.name.as_ref()))
    {
        Some(param) => Err(file.error(
            &format!("params.{}", param.name),
            "is used nowhere; write it into a host, or remove it",
        )),
        None => Ok(()),
    }
}
