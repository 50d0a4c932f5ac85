//! `catalog/providers/<slug>.toml`.

use std::collections::BTreeSet;

use super::operations;
use super::section::{Read, Section, nearest, quoted};
use super::template::{self, is_header_name, is_header_value, is_name, is_slug};
use crate::origin;
use crate::provider::{
    BadKey, BaseUrlVar, Billing, Env, Field, HeaderPair, Host, InjectionTemplate, KeyPattern, PriceTable, Provider, Slot, Str,
    UrlParam, Verify,
};

const CATEGORIES: [&str; 15] = [
    "cloud", "crm", "database", "devtools", "email", "embedding", "image", "llm", "messaging", "other", "payments",
    "productivity", "scrape", "search", "voice",
];

/// First words of paths under `/v1/`: as a slug they would make a forgotten slug look like a provider.
const FORBIDDEN_SLUGS: [&str; 36] = [
    "agents", "api-keys", "assistants", "audio", "audit", "auth", "batches", "billing", "budgets", "chat", "completions",
    "credentials", "embeddings", "files", "images", "me", "messages", "models", "moderations", "operator", "organization",
    "organizations", "orgs", "projects", "providers", "realtime", "requests", "rerank", "responses", "revocations", "threads",
    "tokens", "uploads", "usage", "videos", "webhooks",
];

/// Headers that belong to a connection or to us.
const RESERVED_HEADERS: [&str; 12] = [
    "connection", "content-length", "cookie", "host", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
    "transfer-encoding", "upgrade", "via",
];

/// One label of a DNS name.
const LABEL: &str = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?";

/// Reads a provider file.
pub(crate) fn read(slug: &str, mut file: Section, prices: PriceTable) -> Read<Provider> {
    check_slug(&file, slug)?;
    let name = file.required("name")?;
    let category = file.required("category")?;
    if !CATEGORIES.contains(&category.as_str()) {
        return Err(file.error("category", format!("`{category}` is not known; write one of {}", quoted(&CATEGORIES))));
    }
    let self_hosted = file.flag("self_hosted")?;
    let dev_only = file.flag("dev_only")?;
    let url_params = read_params(&mut file)?;
    let base_url = read_base_url(&mut file, &url_params, self_hosted || dev_only)?;
    let hosts = read_hosts(&mut file, &url_params)?;
    let fields = read_fields(&mut file)?;
    let injections = read_injections(&mut file, &fields, &url_params)?;
    let default_billing = file.choice("default_billing", operations::BILLING)?.unwrap_or(Billing::External);
    let operations = operations::read(&mut file, &hosts, default_billing, &prices)?;
    let verify = read_verify(&mut file, &hosts, &fields, &url_params)?;
    let mut account_headers = file.texts("account_headers")?;
    account_headers.sort_unstable();
    if let Some(wrong) = account_headers.iter().find(|name| !is_header_name(name)) {
        return Err(file.error("account_headers", format!("`{wrong}` is not a header name in lower case")));
    }
    let token_slots = read_slots(&mut file, &injections)?;
    let default_headers = read_default_headers(&mut file)?;
    let path_encoded_slash = one_flag(&mut file, "path", "encoded_slash")?;
    let refusal_budget_status = read_refusal(&mut file)?;
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
        injections: injections.into(),
        token_slots: token_slots.into(),
        default_headers: default_headers.into(),
        account_headers: account_headers.into_iter().map(Str::from).collect(),
        path_encoded_slash,
        default_billing,
        operations: operations.into(),
        bad_key: read_bad_keys(&mut file)?.into(),
        refusal_budget_status,
        verify,
        key_pattern: read_key_pattern(&mut file)?,
        env: read_env(&mut file)?,
        openai_base_path: read_openai_base(&mut file)?,
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
        return Err(file.error("slug", format!("`{slug}` is a word of paths under /v1/; name the file otherwise, for example `{slug}-api`")));
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
        params.push(UrlParam { name: name.into(), pattern: pattern.into(), description });
    }
    Ok(params)
}

fn check_regex(section: &Section, key: &str, pattern: &str) -> Read<()> {
    match regex::Regex::new(pattern) {
        Ok(_) => Ok(()),
        Err(_) => Err(section.error(key, "is not a regular expression (Rust `regex` syntax, without look-around)")),
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
fn check_host_url(section: &Section, key: &str, url: &str, params: &[UrlParam]) -> Read<()> {
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
fn check_placeholders(section: &Section, key: &str, text: &str, fields: &[&str], params: &[UrlParam]) -> Read<()> {
    let names = template::placeholders(text).map_err(|problem| section.error(key, problem))?;
    let known: Vec<&str> = fields.iter().copied().chain(params.iter().map(|param| param.name.as_ref())).collect();
    match names.into_iter().find(|name| !known.contains(name)) {
        None => Ok(()),
        Some(name) => {
            let instead = nearest(name, known.iter().copied()).map_or_else(
                || format!("write one of {}, or declare it under `[params]` or `[fields]`", quoted(&known)),
                |near| format!("did you mean `{{{near}}}`?"),
            );
            Err(section.error(key, format!("`{{{name}}}` is not known here; {instead}")))
        }
    }
}

fn read_hosts(file: &mut Section, params: &[UrlParam]) -> Read<Vec<Host>> {
    let mut hosts = Vec::new();
    for (alias, url) in file.named_texts("hosts")? {
        let key = format!("hosts.{alias}");
        if !is_slug(&alias) {
            return Err(file.error(&key, "name it with lower-case letters, digits and single hyphens"));
        }
        check_host_url(file, &key, &url, params)?;
        hosts.push(Host { alias: alias.into(), url: url.into() });
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
        fields.push(Field { name: "key".into(), label: "API key".into(), required: true, secret: true, pattern: None });
    }
    // The main field stands first, the others by name.
    fields.sort_by(|left, right| (left.name != "key", &left.name).cmp(&(right.name != "key", &right.name)));
    match fields.first() {
        Some(first) if first.name == "key" && first.secret => Ok(fields),
        _ => Err(file.error("fields", "has no secret field `key`; that is the name of the main one")),
    }
}

fn read_injections(file: &mut Section, fields: &[Field], params: &[UrlParam]) -> Read<Vec<InjectionTemplate>> {
    let names: Vec<&str> = fields.iter().map(|field| field.name.as_ref()).collect();
    let mut injections = Vec::new();
    let mut used = BTreeSet::new();
    for mut section in file.sections("inject")? {
        let injection = read_injection(&mut section)?;
        for text in injection.templates() {
            check_placeholders(&section, "", text, &names, params)?;
            used.extend(template::placeholders(text).unwrap_or_default().into_iter().map(str::to_owned));
        }
        section.finish()?;
        injections.push(injection);
    }
    if injections.is_empty() {
        injections.push(InjectionTemplate::Bearer { template: "{key}".into() });
        used.insert("key".to_owned());
    }
    match fields.iter().find(|field| field.required && field.secret && !used.contains(field.name.as_ref())) {
        Some(field) => Err(file.error("inject", format!("does not use the field `{}`; write `{{{}}}` where it goes", field.name, field.name))),
        None => Ok(injections),
    }
}

fn read_injection(section: &mut Section) -> Read<InjectionTemplate> {
    const KINDS: [&str; 5] = ["bearer", "header", "basic", "query", "path"];
    let kinds: Vec<&str> = KINDS.into_iter().filter(|kind| section.has(kind)).collect();
    let [kind] = kinds.as_slice() else {
        return Err(section.error("", format!("write exactly one of {}", quoted(&KINDS))));
    };
    Ok(match *kind {
        "bearer" => InjectionTemplate::Bearer { template: section.required("bearer")?.into() },
        "header" => {
            let name = section.required("header")?;
            if !is_header_name(&name) || RESERVED_HEADERS.contains(&name.as_str()) {
                return Err(section.error("header", format!("`{name}` is not a header in lower case that can carry a key")));
            }
            InjectionTemplate::Header { name: name.into(), template: value(section)? }
        }
        "basic" => {
            let Some(mut basic) = section.section("basic")? else {
                return Err(section.error("basic", "write `{ username = \"…\", password = \"…\" }`"));
            };
            let username = basic.text("username")?.unwrap_or_default();
            let password = basic.text("password")?.unwrap_or_default();
            if username.contains(':') {
                return Err(basic.error("username", "cannot hold a colon"));
            }
            basic.finish()?;
            InjectionTemplate::Basic { username: username.into(), password: password.into() }
        }
        "query" => InjectionTemplate::Query { name: section.required("query")?.into(), template: value(section)? },
        _ => {
            let template = section.required("path")?;
            if !template.starts_with('/') || template[1..].contains(['/', '?', '#', '%']) {
                return Err(section.error("path", "write one segment that begins with `/`, such as \"/bot{key}\""));
            }
            InjectionTemplate::Path { template: template.into() }
        }
    })
}

/// What is written into the place: the key itself where nothing else stands.
fn value(section: &mut Section) -> Read<Str> {
    match section.text("value")? {
        None => Ok("{key}".into()),
        Some(value) if !value.is_empty() && is_header_value(&value) => Ok(value.into()),
        Some(_) => Err(section.error("value", "write visible ASCII, such as \"Token {key}\"")),
    }
}

impl InjectionTemplate {
    /// Its texts with placeholders.
    pub(crate) fn templates(&self) -> Vec<&str> {
        match self {
            Self::Bearer { template }
            | Self::Header { template, .. }
            | Self::Query { template, .. }
            | Self::Path { template } => vec![template],
            Self::Basic { username, password } => vec![username, password],
        }
    }
}

/// Where nothing is said, an SDK puts the key where it is injected.
fn read_slots(file: &mut Section, injections: &[InjectionTemplate]) -> Read<Vec<Slot>> {
    let said = file.has("token_slots");
    let mut slots = Vec::new();
    for mut section in file.sections("token_slots")? {
        slots.push(read_slot(&mut section)?);
        section.finish()?;
    }
    if !said {
        slots.extend(injections.iter().filter_map(slot_of));
    }
    Ok(slots)
}

fn read_slot(section: &mut Section) -> Read<Slot> {
    if let Some(name) = section.text("header")? {
        return if is_header_name(&name) {
            Ok(Slot::Header(name.into()))
        } else {
            Err(section.error("header", format!("`{name}` is not a header name in lower case")))
        };
    }
    if let Some(slot) = section.choice("basic", &[("username", 0), ("password", 1)])? {
        return Ok(if slot == 0 { Slot::BasicUsername } else { Slot::BasicPassword });
    }
    if let Some(name) = section.text("query")? {
        return Ok(Slot::Query(name.into()));
    }
    match section.text("path")? {
        Some(prefix) if !prefix.contains('/') => Ok(Slot::Path(prefix.into())),
        Some(_) => Err(section.error("path", "write what stands before the token in its segment, without `/`")),
        None => Err(section.error("", "write exactly one of `header`, `basic`, `query`, `path`")),
    }
}

fn slot_of(injection: &InjectionTemplate) -> Option<Slot> {
    let holds_key = |template: &Str| template.contains("{key}");
    match injection {
        InjectionTemplate::Header { name, template } if template == "{key}" => Some(Slot::Header(name.clone())),
        InjectionTemplate::Query { name, template } if template == "{key}" => Some(Slot::Query(name.clone())),
        InjectionTemplate::Basic { username, .. } if holds_key(username) => Some(Slot::BasicUsername),
        InjectionTemplate::Basic { password, .. } if holds_key(password) => Some(Slot::BasicPassword),
        InjectionTemplate::Path { template } => {
            let prefix = template.strip_prefix('/')?.strip_suffix("{key}")?;
            Some(Slot::Path(prefix.to_owned().into()))
        }
        _ => None,
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
        headers.push(HeaderPair { name: name.into(), value: value.into() });
    }
    Ok(headers)
}

fn one_flag(file: &mut Section, key: &'static str, flag: &'static str) -> Read<bool> {
    let Some(mut section) = file.section(key)? else { return Ok(false) };
    let set = section.flag(flag)?;
    section.finish()?;
    Ok(set)
}

fn read_refusal(file: &mut Section) -> Read<Option<u16>> {
    let Some(mut section) = file.section("refusal")? else { return Ok(None) };
    let status = section.status("budget_status")?;
    if status.is_some_and(|status| !(400..500).contains(&status) || status == 429) {
        return Err(section.error("budget_status", "write a status from 400 to 499 that the vendor's SDK does not retry"));
    }
    section.finish()?;
    Ok(status)
}

fn read_https(file: &mut Section, key: &'static str) -> Read<Option<Str>> {
    match file.text(key)? {
        Some(url) if !url.starts_with("https://") => Err(file.error(key, "must begin with https://")),
        url => Ok(url.map(Str::from)),
    }
}

/// A provider that says nothing has the usual rule: 401 is a bad key.
fn read_bad_keys(file: &mut Section) -> Read<Vec<BadKey>> {
    let said = file.has("bad_key");
    let mut rules = Vec::new();
    for mut section in file.sections("bad_key")? {
        let Some(status) = section.status("status")? else {
            return Err(section.error("status", "is missing; write the HTTP status"));
        };
        let pointer = section.text("pointer")?;
        let values = section.texts("values")?;
        if pointer.as_ref().is_some_and(|pointer| !pointer.starts_with('/')) {
            return Err(section.error("pointer", "write a JSON pointer, such as \"/error/code\""));
        }
        if pointer.is_some() == values.is_empty() {
            return Err(section.error("values", "`pointer` and `values` go together; write both or neither"));
        }
        section.finish()?;
        rules.push(BadKey { status, pointer: pointer.map(Str::from), values: values.into_iter().map(Str::from).collect() });
    }
    if !said {
        rules.push(BadKey { status: 401, pointer: None, values: Vec::new().into() });
    }
    Ok(rules)
}

fn read_verify(file: &mut Section, hosts: &[Host], fields: &[Field], params: &[UrlParam]) -> Read<Option<Verify>> {
    let Some(mut section) = file.section("verify")? else { return Ok(None) };
    let method = section.choice("method", &[("GET", "GET"), ("POST", "POST")])?.unwrap_or("GET");
    let path = section.required("path")?;
    if !path.starts_with('/') {
        return Err(section.error("path", "must begin with `/`"));
    }
    let open: Vec<&str> = fields.iter().filter(|field| !field.secret).map(|field| field.name.as_ref()).collect();
    check_placeholders(&section, "path", &path, &open, params)?;
    let host = section.text("host")?.unwrap_or_default();
    operations::check_host(&section, &host, hosts)?;
    let mut invalid_status = section.statuses("invalid_status")?;
    if invalid_status.is_empty() {
        invalid_status.push(401);
    }
    let note = section.text("note")?.map(Str::from);
    section.finish()?;
    Ok(Some(Verify { method: method.into(), path: path.into(), host: host.into(), invalid_status: invalid_status.into(), note }))
}

fn read_key_pattern(file: &mut Section) -> Read<Option<KeyPattern>> {
    let Some(mut section) = file.section("key")? else { return Ok(None) };
    let regex = section.required("pattern")?;
    check_regex(&section, "pattern", &regex)?;
    let Some(prefixed) = section.choice("kind", &[("prefixed", true), ("generic", false)])? else {
        return Err(section.error("kind", "is missing; write \"prefixed\" (recognisable by itself) or \"generic\" (length and alphabet only)"));
    };
    let shared_with = section.texts("shared_with")?.into_iter().map(Str::from).collect();
    section.finish()?;
    Ok(Some(KeyPattern { regex: regex.into(), prefixed, shared_with }))
}

fn read_env(file: &mut Section) -> Read<Env> {
    let Some(mut section) = file.section("env")? else { return Ok(Env::default()) };
    let key = section.texts("key")?;
    let base_url = section.named_texts("base_url")?;
    let is_variable = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let names = key.iter().chain(base_url.iter().map(|(name, _)| name));
    if let Some(wrong) = names.clone().find(|name| !is_variable(name)) {
        return Err(section.error("", format!("`{wrong}` is not the name of a variable; write it in capitals")));
    }
    if let Some((name, _)) = base_url.iter().find(|(_, path)| !is_base_path(path)) {
        return Err(section.error(&format!("base_url.{name}"), "write the path its value ends with, such as \"/v1\", or \"\""));
    }
    section.finish()?;
    Ok(Env {
        key: key.into_iter().map(Str::from).collect(),
        base_url: base_url.into_iter().map(|(name, path)| BaseUrlVar { name: name.into(), path: path.into() }).collect(),
    })
}

fn is_base_path(path: &str) -> bool {
    path.is_empty() || (path.starts_with('/') && !path.ends_with('/'))
}

fn read_openai_base(file: &mut Section) -> Read<Option<Str>> {
    match file.text("openai_base_path")? {
        Some(path) if !is_base_path(&path) => Err(file.error("openai_base_path", "write a path such as \"/v1\", or \"\"")),
        path => Ok(path.map(Str::from)),
    }
}

/// A parameter that nothing uses is a slip of the pen.
fn check_params_used(file: &Section, provider: &Provider) -> Read<()> {
    let texts = provider
        .base_url
        .iter()
        .chain(provider.hosts.iter().map(|host| &host.url))
        .chain(provider.verify.iter().map(|verify| &verify.path))
        .map(AsRef::as_ref)
        .chain(provider.injections.iter().flat_map(InjectionTemplate::templates));
    let used: BTreeSet<&str> = texts.flat_map(|text| template::placeholders(text).unwrap_or_default()).collect();
    match provider.url_params.iter().find(|param| !used.contains(param.name.as_ref())) {
        Some(param) => Err(file.error(&format!("params.{}", param.name), "is used nowhere; write it into a host, or remove it")),
        None => Ok(()),
    }
}
