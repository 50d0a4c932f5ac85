//! `ks doctor`: the way to the server, then what the server says of itself, and how to mend each. It changes nothing.

use std::process::ExitCode;

use keystore_wire::auth::Me;
use keystore_wire::credentials::{Credential, ListCredentials};
use keystore_wire::health::{Check, Readiness};
use reqwest::StatusCode;
use serde::Serialize;

use super::find::MOST;
use super::{Context, credentials};
use crate::client::{self, Probe, Refused};
use crate::output::{table, told};
use crate::settings::Profile;

/// Clocks may be this far apart before sessions and expiry times go wrong; a date header is exact to a second.
const MOST_SKEW_SECONDS: i64 = 30;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Findings {
    ok: bool,
    checks: Vec<Check>,
}

fn well(name: &str, detail: impl Into<String>) -> Check {
    Check {
        name: name.to_owned(),
        ok: true,
        detail: Some(detail.into()),
        remedy: None,
    }
}

fn ill(name: &str, detail: impl Into<String>, remedy: impl Into<String>) -> Check {
    Check {
        name: name.to_owned(),
        ok: false,
        detail: Some(detail.into()),
        remedy: Some(remedy.into()),
    }
}

/// Checks everything, also after something failed.
pub(crate) async fn run(context: &Context<'_>) -> anyhow::Result<ExitCode> {
    let checks = {
        let _working = context.output.working("Checking");
        examine(context).await
    };
    let findings = Findings {
        ok: checks.iter().all(|check| check.ok),
        checks,
    };
    context.output.data(&findings, || {
        let rows = findings.checks.iter().map(|check| {
            let verdict = if check.ok { "ok" } else { "FAILED" };
            [
                verdict.to_owned(),
                check.name.clone(),
                check.detail.clone().unwrap_or_default(),
            ]
        });
        table(["RESULT", "CHECK", "FOUND"], rows)
    })?;
    for check in findings.checks.iter().filter(|check| !check.ok) {
        let remedy = check.remedy.as_deref().unwrap_or("the server's log says more");
        context.output.note(&format!("{}: {remedy}", check.name));
    }
    Ok(if findings.ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn examine(context: &Context<'_>) -> Vec<Check> {
    let settings = context.settings;
    let mut checks = vec![
        profile_check(),
        well(
            "settings",
            format!("API {} from {}", settings.api_url, settings.api_url_from),
        ),
    ];
    let api = client::probe(&settings.api_url, "/healthz").await;
    let reached = matches!(&api, Ok(probe) if probe.status == StatusCode::OK);
    checks.push(reach(
        "api",
        &api,
        "start the server with `ks dev` or `ks serve`, or correct `--api-url`",
    ));
    let mut proxy_url = context.proxy_url_unasked();
    if reached {
        checks.extend(api.ok().and_then(|probe| probe.ahead_seconds).map(clock));
        let (check, me) = sign_in(context).await;
        checks.push(check);
        if me.is_some() {
            checks.push(keys(context).await);
        }
        if let (None, Some(me)) = (&settings.proxy_url, me) {
            proxy_url = Some(me.proxy_url);
        }
        checks.extend(own_checks(
            "api",
            client::probe(&settings.api_url, "/readyz").await,
        ));
    }
    let Some(proxy_url) = proxy_url else {
        checks.push(ill(
            "proxy",
            "the server was not asked where it is",
            "sign in with `ks login`, or set KS_PROXY_URL to the proxy's address",
        ));
        return checks;
    };
    let proxy = client::probe(&proxy_url, "/healthz").await;
    let proxy_reached = matches!(&proxy, Ok(probe) if probe.status == StatusCode::OK);
    checks.push(reach(
        "proxy",
        &proxy,
        "the proxy's address is wrong, or a firewall is in the way; KS_PROXY_URL names another",
    ));
    if proxy_reached {
        checks.extend(own_checks("proxy", client::probe(&proxy_url, "/readyz").await));
    }
    checks
}

/// Whether stored keys are about to end, or sealed for where their provider was.
async fn keys(context: &Context<'_>) -> Check {
    let query = ListCredentials {
        project: context.settings.project.clone(),
        ..ListCredentials::default()
    };
    let keys: Vec<Credential> = match context.client.list(&["credentials"], &query, MOST).await {
        Ok(keys) => keys,
        Err(error) => return well("keys", format!("not visible to this account: {}", told(&error))),
    };
    let stale: Vec<_> = keys
        .iter()
        .filter(|key| key.reseal_needed)
        .map(credentials::name_of)
        .collect();
    if let Some(first) = stale.first() {
        return ill(
            "keys",
            format!("sealed for where their provider was: {}", stale.join(", ")),
            format!(
                "`ks provider reseal {first}` seals one for where it is now, after a look at `ks provider show`"
            ),
        );
    }
    let due: Vec<_> = keys
        .iter()
        .filter(|key| credentials::is_due(key))
        .map(credentials::name_of)
        .collect();
    match due.first() {
        Some(first) => ill(
            "keys",
            format!("expired, or to be rotated by now: {}", due.join(", ")),
            format!("`ks provider rotate {first}` puts a new one in its place"),
        ),
        None => well("keys", format!("{} stored, none stale or due", keys.len())),
    }
}

fn profile_check() -> Check {
    use std::os::unix::fs::PermissionsExt;
    let Some(path) = Profile::path() else {
        return well("profile", "none: there is no home directory");
    };
    match std::fs::metadata(&path) {
        Ok(about) if about.permissions().mode() & 0o077 != 0 => ill(
            "profile",
            format!("{} can be read by others", path.display()),
            format!(
                "chmod 600 {}; then `ks login` again, for the session in it may be known",
                path.display()
            ),
        ),
        Ok(_) => well("profile", path.display().to_string()),
        Err(_) => well("profile", "none"),
    }
}

fn reach(name: &str, answer: &anyhow::Result<Probe>, remedy: &str) -> Check {
    match answer {
        Ok(probe) if probe.status == StatusCode::OK => well(name, "reached"),
        Ok(probe) => ill(name, format!("answered {}", probe.status), remedy),
        Err(error) => ill(name, told(error), remedy),
    }
}

fn clock(ahead_seconds: i64) -> Check {
    let detail = match ahead_seconds {
        -1..=1 => "the clocks agree".to_owned(),
        ahead if ahead > 0 => format!("the server's clock is {ahead} s ahead of this one"),
        behind => format!("the server's clock is {} s behind this one", -behind),
    };
    if ahead_seconds.abs() <= MOST_SKEW_SECONDS {
        well("clock", detail)
    } else {
        ill(
            "clock",
            detail,
            "set both clocks by NTP: expiry times and budgets follow the server's",
        )
    }
}

async fn sign_in(context: &Context<'_>) -> (Check, Option<Me>) {
    if context.settings.api_key.is_none() {
        return (ill("sign-in", "no key", "`ks login`, or set KS_API_KEY"), None);
    }
    let from = context.settings.api_key_from;
    match context.client.get::<Me>(&["auth", "me"], &()).await {
        Ok(me) => (
            well(
                "sign-in",
                format!("{} of {}, by {from}", me.role.as_str(), me.org.name),
            ),
            Some(me),
        ),
        Err(error) => {
            let detail = match error.downcast_ref::<Refused>() {
                Some(refused) => refused.to_string(),
                None => told(&error),
            };
            (
                ill(
                    "sign-in",
                    format!("{detail}, by {from}"),
                    "`ks login` again, or make a new management key",
                ),
                None,
            )
        }
    }
}

/// What a server says of itself. One that says nothing but its status is taken at its word.
fn own_checks(place: &str, answer: anyhow::Result<Probe>) -> Vec<Check> {
    let name = format!("{place} ready");
    let probe = match answer {
        Ok(probe) => probe,
        Err(error) => return vec![ill(&name, told(&error), "try again")],
    };
    match serde_json::from_str::<Readiness>(&probe.body) {
        Ok(readiness) if !readiness.checks.is_empty() => {
            let checks = readiness.checks.into_iter();
            checks
                .map(|check| Check {
                    name: format!("{place} {}", check.name),
                    ..check
                })
                .collect()
        }
        _ if probe.status == StatusCode::OK => vec![well(&name, "yes")],
        _ => vec![ill(
            &name,
            format!("answered {}", probe.status),
            "the server's log says why",
        )],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(status: StatusCode, body: &str) -> anyhow::Result<Probe> {
        Ok(Probe {
            status,
            body: body.to_owned(),
            ahead_seconds: None,
        })
    }

    #[test]
    fn clocks_may_differ_a_little() {
        assert!(clock(0).ok && clock(-20).ok);
        assert!(!clock(31).ok && !clock(-3_600).ok);
        assert!(clock(-3_600).detail.unwrap().contains("3600 s behind"));
    }

    #[test]
    fn the_servers_own_words_are_passed_on() {
        let body = r#"{"ready":false,"checks":[{"name":"store","ok":true},{"name":"kms","ok":false,"remedy":"check [kms]"}]}"#;
        let checks = own_checks("api", probe(StatusCode::SERVICE_UNAVAILABLE, body));
        assert_eq!(checks.len(), 2);
        assert_eq!((checks[1].name.as_str(), checks[1].ok), ("api kms", false));
        assert_eq!(checks[1].remedy.as_deref(), Some("check [kms]"));
        assert!(own_checks("proxy", probe(StatusCode::OK, "ok\n"))[0].ok);
        assert!(!own_checks("proxy", probe(StatusCode::SERVICE_UNAVAILABLE, "no"))[0].ok);
        assert!(!reach("api", &probe(StatusCode::NOT_FOUND, ""), "mend").ok);
    }
}
