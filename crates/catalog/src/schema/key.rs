//! The life of a key at its vendor: what it looks like, where SDKs look for it, how to see that it works, and how a refusal
//! of it reads.

use super::operations;
use super::provider::{check_placeholders, check_regex};
use super::section::{Read, Section};
use crate::provider::{BaseUrlVar, Env, Field, Host, KeyPattern, Sign, Str, UrlParam, Verify};

/// A provider that says nothing has the usual rule: 401 is a bad key.
pub(crate) fn read_bad_keys(file: &mut Section) -> Read<Vec<Sign>> {
    let said = file.has("bad_key");
    let mut signs = Vec::new();
    for section in file.sections("bad_key")? {
        signs.push(read_sign(section)?);
    }
    if !said {
        signs.push(Sign {
            status: 401,
            pointer: None,
            values: Vec::new().into(),
        });
    }
    Ok(signs)
}

/// What a status alone says is not of the request: a sign of abuse names a place in the body.
pub(crate) fn read_abuse(file: &mut Section) -> Read<Vec<Sign>> {
    let mut signs = Vec::new();
    for section in file.sections("abuse")? {
        let error = section.error("pointer", "is missing; a status alone is no sign of abuse");
        let sign = read_sign(section)?;
        if sign.pointer.is_none() {
            return Err(error);
        }
        signs.push(sign);
    }
    Ok(signs)
}

fn read_sign(mut section: Section) -> Read<Sign> {
    let Some(status) = section.status("status")? else {
        return Err(section.error("status", "is missing; write the HTTP status"));
    };
    let pointer = section.text("pointer")?;
    let values = section.texts("values")?;
    if pointer.as_ref().is_some_and(|pointer| !pointer.starts_with('/')) {
        return Err(section.error("pointer", "write a JSON pointer, such as \"/error/code\""));
    }
    if pointer.is_some() == values.is_empty() {
        return Err(section.error(
            "values",
            "`pointer` and `values` go together; write both or neither",
        ));
    }
    section.finish()?;
    Ok(Sign {
        status,
        pointer: pointer.map(Str::from),
        values: values.into_iter().map(Str::from).collect(),
    })
}

/// How to see whether a key works.
pub(crate) fn read_verify(
    file: &mut Section,
    hosts: &[Host],
    fields: &[Field],
    params: &[UrlParam],
) -> Read<Option<Verify>> {
    let Some(mut section) = file.section("verify")? else {
        return Ok(None);
    };
    let method = section
        .choice("method", &[("GET", "GET"), ("POST", "POST")])?
        .unwrap_or("GET");
    let path = section.required("path")?;
    if !path.starts_with('/') {
        return Err(section.error("path", "must begin with `/`"));
    }
    let open: Vec<&str> = fields
        .iter()
        .filter(|field| !field.secret)
        .map(|field| field.name.as_ref())
        .collect();
    check_placeholders(&section, "path", &path, &open, params)?;
    let host = section.text("host")?.unwrap_or_default();
    operations::check_host(&section, &host, hosts)?;
    let mut invalid_status = section.statuses("invalid_status")?;
    if invalid_status.is_empty() {
        invalid_status.push(401);
    }
    let note = section.text("note")?.map(Str::from);
    section.finish()?;
    Ok(Some(Verify {
        method: method.into(),
        path: path.into(),
        host: host.into(),
        invalid_status: invalid_status.into(),
        note,
    }))
}

/// What a key looks like.
pub(crate) fn read_key_pattern(file: &mut Section) -> Read<Option<KeyPattern>> {
    let Some(mut section) = file.section("key")? else {
        return Ok(None);
    };
    let regex = section.required("pattern")?;
    check_regex(&section, "pattern", &regex)?;
    let Some(prefixed) = section.choice("kind", &[("prefixed", true), ("generic", false)])? else {
        return Err(section.error("kind", "is missing; write \"prefixed\" (recognisable by itself) or \"generic\" (length and alphabet only)"));
    };
    let shared_with = section.texts("shared_with")?.into_iter().map(Str::from).collect();
    section.finish()?;
    Ok(Some(KeyPattern {
        regex: regex.into(),
        prefixed,
        shared_with,
    }))
}

/// The variables of the vendor's SDKs.
pub(crate) fn read_env(file: &mut Section) -> Read<Env> {
    let Some(mut section) = file.section("env")? else {
        return Ok(Env::default());
    };
    let key = section.texts("key")?;
    let base_url = section.named_texts("base_url")?;
    let is_variable = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let names = key.iter().chain(base_url.iter().map(|(name, _)| name));
    if let Some(wrong) = names.clone().find(|name| !is_variable(name)) {
        return Err(section.error(
            "",
            format!("`{wrong}` is not the name of a variable; write it in capitals"),
        ));
    }
    if let Some((name, _)) = base_url.iter().find(|(_, path)| !is_base_path(path)) {
        return Err(section.error(
            &format!("base_url.{name}"),
            "write the path its value ends with, such as \"/v1\", or \"\"",
        ));
    }
    section.finish()?;
    Ok(Env {
        key: key.into_iter().map(Str::from).collect(),
        base_url: base_url
            .into_iter()
            .map(|(name, path)| BaseUrlVar {
                name: name.into(),
                path: path.into(),
            })
            .collect(),
    })
}

fn is_base_path(path: &str) -> bool {
    path.is_empty() || (path.starts_with('/') && !path.ends_with('/'))
}

/// What makes the base URL an OpenAI-style one.
pub(crate) fn read_openai_base(file: &mut Section) -> Read<Option<Str>> {
    match file.text("openai_base_path")? {
        Some(path) if !is_base_path(&path) => {
            Err(file.error("openai_base_path", "write a path such as \"/v1\", or \"\""))
        }
        path => Ok(path.map(Str::from)),
    }
}

/// The status of a budget refusal, where 402 means something else to the vendor's SDK.
pub(crate) fn read_refusal(file: &mut Section) -> Read<Option<u16>> {
    let Some(mut section) = file.section("refusal")? else {
        return Ok(None);
    };
    let status = section.status("budget_status")?;
    if status.is_some_and(|status| !(400..500).contains(&status) || status == 429) {
        return Err(section.error(
            "budget_status",
            "write a status from 400 to 499 that the vendor's SDK does not retry",
        ));
    }
    section.finish()?;
    Ok(status)
}
