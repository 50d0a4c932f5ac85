//! `[[inject]]` and `token_slots` of a provider: where the vendor takes the key, and where its SDKs put it.

use std::collections::BTreeSet;

use super::provider::{RESERVED_HEADERS, check_placeholders};
use super::section::{Read, Section, quoted};
use super::template::{self, is_header_name, is_header_value};
use super::token;
use crate::provider::{Alternative, ClientAuth, Field, InjectionTemplate, Slot, Str, TokenGrant, UrlParam};

/// What is written into requests.
pub(crate) struct Injections {
    /// Usually.
    pub(crate) usual: Vec<InjectionTemplate>,
    /// For certain credentials.
    pub(crate) alternatives: Vec<Alternative>,
}

/// Reads what is injected: the key as a bearer token where nothing is said.
pub(crate) fn read(file: &mut Section, fields: &[Field], params: &[UrlParam]) -> Read<Injections> {
    let names: Vec<&str> = fields.iter().map(|field| field.name.as_ref()).collect();
    let mut usual = Vec::new();
    let mut alternatives: Vec<(String, Vec<InjectionTemplate>)> = Vec::new();
    for mut section in file.sections("inject")? {
        let when = section.text("when")?;
        let injection = read_injection(&mut section, params)?;
        for text in injection.templates() {
            check_placeholders(&section, "", text, &names, params)?;
        }
        for name in injection.fields() {
            token::check_field(&section, name, fields)?;
        }
        match when {
            None => usual.push(injection),
            Some(param) => {
                check_when(&section, &param, &injection, params)?;
                match alternatives.iter_mut().find(|(when, _)| *when == param) {
                    Some((_, injections)) => injections.push(injection),
                    None => alternatives.push((param, vec![injection])),
                }
            }
        }
        section.finish()?;
    }
    if usual.is_empty() {
        usual.push(InjectionTemplate::Bearer {
            template: "{key}".into(),
        });
    }
    for injections in std::iter::once(&usual).chain(alternatives.iter().map(|(_, injections)| injections)) {
        check_all_used(file, fields, injections)?;
    }
    Ok(Injections {
        usual,
        alternatives: alternatives
            .into_iter()
            .map(|(when, injections)| Alternative {
                when: when.into(),
                injections: injections.into(),
            })
            .collect(),
    })
}

/// An alternative depends on a parameter, and writes `authorization` alone: no other place of it would be known to be one of a
/// credential.
fn check_when(
    section: &Section,
    param: &str,
    injection: &InjectionTemplate,
    params: &[UrlParam],
) -> Read<()> {
    if params.iter().all(|known| known.name != param) {
        return Err(section.error(
            "when",
            format!("`{param}` is no parameter; declare it under `[params.{param}]`"),
        ));
    }
    match injection {
        InjectionTemplate::Bearer { .. } | InjectionTemplate::Sigv4 { .. } | InjectionTemplate::Token(_) => {
            Ok(())
        }
        _ => Err(section.error("when", "stands only beside `bearer`, a signature or a token")),
    }
}

/// What must be given is used.
fn check_all_used(file: &Section, fields: &[Field], injections: &[InjectionTemplate]) -> Read<()> {
    let mut used = BTreeSet::new();
    for injection in injections {
        let placeholders = injection
            .templates()
            .into_iter()
            .flat_map(|text| template::placeholders(text).unwrap_or_default());
        used.extend(placeholders.chain(injection.fields().iter().copied()));
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
        None => Ok(()),
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
            Self::Sigv4 {
                access_key_id,
                service,
                region,
                ..
            } => vec![access_key_id, service, region],
            Self::Token(token) => std::iter::once(&token.token_url)
                .chain(&token.issuer)
                .chain(token.form.iter().map(|member| &member.value))
                .map(AsRef::as_ref)
                .collect(),
        }
    }

    /// The fields that it takes without naming them in a template.
    fn fields(&self) -> &'static [&'static str] {
        match self {
            Self::Sigv4 { .. } => &["key"],
            // The form says it all.
            Self::Token(token)
                if token.grant == TokenGrant::ClientCredentials && token.client_auth == ClientAuth::None =>
            {
                &[]
            }
            Self::Token(token) => token.grant.fields(),
            _ => &[],
        }
    }
}

/// Where nothing is said, an SDK puts the key where it is injected.
pub(crate) fn read_slots(file: &mut Section, injections: &Injections) -> Read<Vec<Slot>> {
    let said = file.has("token_slots");
    let mut slots = Vec::new();
    for mut section in file.sections("token_slots")? {
        slots.push(read_slot(&mut section)?);
        section.finish()?;
    }
    if !said {
        let alternatives = injections
            .alternatives
            .iter()
            .flat_map(|other| other.injections.iter());
        slots.extend(injections.usual.iter().chain(alternatives).filter_map(slot_of));
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
    if section.choice("aws", &[("access_key_id", ())])?.is_some() {
        return Ok(Slot::AwsAccessKeyId);
    }
    match section.text("path")? {
        Some(prefix) if !prefix.contains('/') => Ok(Slot::Path(prefix.into())),
        Some(_) => Err(section.error(
            "path",
            "write what stands before the token in its segment, without `/`",
        )),
        None => Err(section.error(
            "",
            "write exactly one of `header`, `basic`, `query`, `aws`, `path`",
        )),
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
        InjectionTemplate::Sigv4 { .. } => Some(Slot::AwsAccessKeyId),
        InjectionTemplate::Path { template } => {
            let prefix = template.strip_prefix('/')?.strip_suffix("{key}")?;
            Some(Slot::Path(prefix.to_owned().into()))
        }
        _ => None,
    }
}
