//! The kinds of `[[inject]]` that compute something or fetch something first: signatures and tokens.

use super::provider::{check_host_url, check_placeholders};
use super::section::{Read, Section};
use super::template::is_header_value;
use crate::provider::{
    ClientAuth, Field, HeaderPair, InjectionTemplate, Str, TokenGrant, TokenTemplate, UrlParam,
};

const GRANTS: [TokenGrant; 4] = [
    TokenGrant::ClientCredentials,
    TokenGrant::RefreshToken,
    TokenGrant::GcpServiceAccount,
    TokenGrant::GithubApp,
];

/// Reads such a kind, if the section has one.
pub(crate) fn read(section: &mut Section, params: &[UrlParam]) -> Read<Option<InjectionTemplate>> {
    if let Some(signature) = section.section("sigv4")? {
        return read_signature(signature, params).map(Some);
    }
    for grant in GRANTS {
        if let Some(token) = section.section(grant.as_str())? {
            return read_token(token, grant, params).map(|token| Some(InjectionTemplate::Token(token)));
        }
    }
    Ok(None)
}

fn read_signature(mut section: Section, params: &[UrlParam]) -> Read<InjectionTemplate> {
    let id = section.text("access_key_id")?;
    let service = section.required("service")?;
    let region = section.required("region")?;
    for (key, text) in [("service", &service), ("region", &region)] {
        check_placeholders(&section, key, text, &[], params)?;
    }
    let services = pairs(&mut section, "services")?;
    section.finish()?;
    Ok(InjectionTemplate::Sigv4 {
        access_key_id: id.unwrap_or_else(|| "{access_key_id}".to_owned()).into(),
        service: service.into(),
        region: region.into(),
        services: services.into(),
    })
}

fn read_token(mut section: Section, grant: TokenGrant, params: &[UrlParam]) -> Read<TokenTemplate> {
    let token_url = section.required("token_url")?;
    match token_url.strip_prefix('/') {
        Some(_) => check_host_url(&section, "token_url", &format!("https://base{token_url}"), params)?,
        None => check_host_url(&section, "token_url", &token_url, params)?,
    }
    let issuer = section.text("issuer")?;
    match (&issuer, grant) {
        (Some(issuer), TokenGrant::GithubApp) => check_placeholders(&section, "issuer", issuer, &[], params)?,
        (None, TokenGrant::GithubApp) => {
            return Err(section.error("issuer", "is missing; write the app's id"));
        }
        (Some(_), _) => return Err(section.error("issuer", "has no effect here; remove it")),
        (None, _) => {}
    }
    let token = TokenTemplate {
        grant,
        token_url: token_url.into(),
        scope: section.text("scope")?.map(Str::from),
        client_auth: read_client_auth(&mut section, grant)?,
        issuer: issuer.map(Str::from),
        form: pairs(&mut section, "form")?.into(),
        scheme: read_scheme(&mut section)?.into(),
    };
    section.finish()?;
    Ok(token)
}

fn read_client_auth(section: &mut Section, grant: TokenGrant) -> Read<ClientAuth> {
    let choices = [
        ("basic", ClientAuth::Basic),
        ("body", ClientAuth::Body),
        ("none", ClientAuth::None),
    ];
    match (section.choice("client_auth", &choices)?, grant) {
        (Some(auth), TokenGrant::ClientCredentials | TokenGrant::RefreshToken) => Ok(auth),
        (None, TokenGrant::ClientCredentials | TokenGrant::RefreshToken) => {
            Err(section.error("client_auth", "is missing; write \"basic\", \"body\" or \"none\""))
        }
        // The assertion says who it is.
        (None, TokenGrant::GcpServiceAccount | TokenGrant::GithubApp) => Ok(ClientAuth::None),
        (Some(_), TokenGrant::GcpServiceAccount | TokenGrant::GithubApp) => {
            Err(section.error("client_auth", "has no effect here; remove it"))
        }
    }
}

fn read_scheme(section: &mut Section) -> Read<String> {
    let scheme = section.text("scheme")?.unwrap_or_else(|| "Bearer".to_owned());
    if scheme.contains(' ') || !is_header_value(&scheme) {
        return Err(section.error("scheme", "write one word, such as \"Bearer\""));
    }
    Ok(scheme)
}

fn pairs(section: &mut Section, key: &'static str) -> Read<Vec<HeaderPair>> {
    Ok(section
        .named_texts(key)?
        .into_iter()
        .map(|(name, value)| HeaderPair {
            name: name.into(),
            value: value.into(),
        })
        .collect())
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
