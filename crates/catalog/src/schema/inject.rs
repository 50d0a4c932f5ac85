//! `[[inject]]` and `token_slots` of a provider: where the vendor takes the key, and where its SDKs put it.

use std::collections::BTreeSet;

use super::provider::{RESERVED_HEADERS, check_placeholders};
use super::section::{Read, Section, quoted};
use super::template::{self, is_header_name, is_header_value};
use super::token;
use crate::provider::{ClientAuth, Field, InjectionTemplate, Slot, Str, UrlParam};

/// Reads what is injected: the key as a bearer token where nothing is said.
pub(crate) fn read(
    file: &mut Section,
    fields: &[Field],
    params: &[UrlParam],
) -> Read<Vec<InjectionTemplate>> {
    let names: Vec<&str> = fields.iter().map(|field| field.name.as_ref()).collect();
    let mut injections = Vec::new();
    let mut used = BTreeSet::new();
    for mut section in file.sections("inject")? {
        let injection = read_injection(&mut section, params)?;
        for text in injection.templates() {
            check_placeholders(&section, "", text, &names, params)?;
            used.extend(
                template::placeholders(text)
                    .unwrap_or_default()
                    .into_iter()
                    .map(str::to_owned),
            );
        }
        for name in injection.fields() {
            token::check_field(&section, name, fields)?;
            used.insert((*name).to_owned());
        }
        section.finish()?;
        injections.push(injection);
    }
    if injections.is_empty() {
        injections.push(InjectionTemplate::Bearer {
            template: "{key}".into(),
        });
        used.insert("key".to_owned());
    }
    match fields
        .iter()
        .find(|field| field.required && field.secret && !used.contains(field.name.as_ref()))
    {
        Some(field) => Err(file.error(
            "inject",
            format!(
                "does not use the field `{}`; write `{{{}}}` where it goes",
                field.name, field.name
            ),
        )),
        None => Ok(injections),
    }
}

fn read_injection(section: &mut Section, params: &[UrlParam]) -> Read<InjectionTemplate> {
    const KINDS: [&str; 5] = ["bearer", "header", "basic", "query", "path"];
    if let Some(injection) = token::read(section, params)? {
        return Ok(injection);
    }
    let kinds: Vec<&str> = KINDS.into_iter().filter(|kind| section.has(kind)).collect();
    let [kind] = kinds.as_slice() else {
        return Err(section.error("", format!("write exactly one of {}", quoted(&KINDS))));
    };
    Ok(match *kind {
        "bearer" => InjectionTemplate::Bearer {
            template: section.required("bearer")?.into(),
        },
        "header" => {
            let name = section.required("header")?;
            if !is_header_name(&name) || RESERVED_HEADERS.contains(&name.as_str()) {
                return Err(section.error(
                    "header",
                    format!("`{name}` is not a header in lower case that can carry a key"),
                ));
            }
            InjectionTemplate::Header {
                name: name.into(),
                template: value(section)?,
            }
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
            InjectionTemplate::Basic {
                username: username.into(),
                password: password.into(),
            }
        }
        "query" => InjectionTemplate::Query {
            name: section.required("query")?.into(),
            template: value(section)?,
        },
        _ => {
            let template = section.required("path")?;
            if !template.starts_with('/') || template[1..].contains(['/', '?', '#', '%']) {
                return Err(section.error(
                    "path",
                    "write one segment that begins with `/`, such as \"/bot{key}\"",
                ));
            }
            InjectionTemplate::Path {
                template: template.into(),
            }
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
            Self::Sigv4 { service, region } => vec![service, region],
            Self::Token(token) => std::iter::once(&token.token_url)
                .chain(token.form.iter().map(|member| &member.value))
                .map(AsRef::as_ref)
                .collect(),
        }
    }

    /// The fields that it takes without naming them in a template.
    fn fields(&self) -> &'static [&'static str] {
        match self {
            Self::Sigv4 { .. } => &["key", "access_key_id"],
            Self::Token(token) if token.client_auth == ClientAuth::None => &[],
            Self::Token(token) => token.grant.fields(),
            _ => &[],
        }
    }
}

/// Where nothing is said, an SDK puts the key where it is injected.
pub(crate) fn read_slots(file: &mut Section, injections: &[InjectionTemplate]) -> Read<Vec<Slot>> {
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
        return Ok(if slot == 0 {
            Slot::BasicUsername
        } else {
            Slot::BasicPassword
        });
    }
    if let Some(name) = section.text("query")? {
        return Ok(Slot::Query(name.into()));
    }
    match section.text("path")? {
        Some(prefix) if !prefix.contains('/') => Ok(Slot::Path(prefix.into())),
        Some(_) => Err(section.error(
            "path",
            "write what stands before the token in its segment, without `/`",
        )),
        None => Err(section.error("", "write exactly one of `header`, `basic`, `query`, `path`")),
    }
}

fn slot_of(injection: &InjectionTemplate) -> Option<Slot> {
    let holds_key = |template: &Str| template.contains("{key}");
    match injection {
        InjectionTemplate::Header { name, template } if template == "{key}" => {
            Some(Slot::Header(name.clone()))
        }
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
