//! The kinds of `[[inject]]` that compute something or fetch something first: signatures and tokens.
//!
//! They are described here so that a file can be written and checked; carrying them out is not done yet, and a credential for
//! such a provider is refused with that reason.

use super::provider::{check_host_url, check_placeholders};
use super::section::{Read, Section};
use super::template::is_header_value;
use crate::provider::{
    ClientAuth, Field, HeaderPair, InjectionTemplate, Str, TokenGrant, TokenTemplate, UrlParam,
};

const GRANTS: [TokenGrant; 3] = [
    TokenGrant::ClientCredentials,
    TokenGrant::RefreshToken,
    TokenGrant::GcpServiceAccount,
];

/// Reads such a kind, if the section has one.
pub(crate) fn read(section: &mut Section, params: &[UrlParam]) -> Read<Option<InjectionTemplate>> {
    if let Some(mut signature) = section.section("sigv4")? {
        let injection = InjectionTemplate::Sigv4 {
            service: signature.required("service")?.into(),
            region: signature.required("region")?.into(),
        };
        for (key, text) in ["service", "region"].into_iter().zip(injection.templates()) {
            check_placeholders(&signature, key, text, &[], params)?;
        }
        signature.finish()?;
        return Ok(Some(injection));
    }
    for grant in GRANTS {
        if let Some(token) = section.section(grant.as_str())? {
            return read_token(token, grant, params).map(|token| Some(InjectionTemplate::Token(token)));
        }
    }
    Ok(None)
}

fn read_token(mut section: Section, grant: TokenGrant, params: &[UrlParam]) -> Read<TokenTemplate> {
    let token_url = section.required("token_url")?;
    check_host_url(&section, "token_url", &token_url, params)?;
    let choices = [
        ("basic", ClientAuth::Basic),
        ("body", ClientAuth::Body),
        ("none", ClientAuth::None),
    ];
    let client_auth = match (section.choice("client_auth", &choices)?, grant) {
        (Some(auth), TokenGrant::ClientCredentials | TokenGrant::RefreshToken) => auth,
        (None, TokenGrant::ClientCredentials | TokenGrant::RefreshToken) => {
            return Err(section.error("client_auth", "is missing; write \"basic\", \"body\" or \"none\""));
        }
        // The assertion says who it is.
        (None, TokenGrant::GcpServiceAccount) => ClientAuth::Body,
        (Some(_), TokenGrant::GcpServiceAccount) => {
            return Err(section.error("client_auth", "has no effect here; remove it"));
        }
    };
    let form = section
        .named_texts("form")?
        .into_iter()
        .map(|(name, value)| HeaderPair {
            name: name.into(),
            value: value.into(),
        })
        .collect();
    let scheme = section.text("scheme")?.unwrap_or_else(|| "Bearer".to_owned());
    if scheme.contains(' ') || !is_header_value(&scheme) {
        return Err(section.error("scheme", "write one word, such as \"Bearer\""));
    }
    let token = TokenTemplate {
        grant,
        token_url: token_url.into(),
        scope: section.text("scope")?.map(Str::from),
        client_auth,
        form,
        scheme: scheme.into(),
    };
    section.finish()?;
    Ok(token)
}

/// A kind that takes a field by its name needs it to be there.
pub(crate) fn check_field(section: &Section, name: &str, fields: &[Field]) -> Read<()> {
    if fields.iter().any(|field| field.name == name) {
        return Ok(());
    }
    Err(section.error(
        "",
        format!("needs the field `{name}`; declare it under `[fields.{name}]`"),
    ))
}
