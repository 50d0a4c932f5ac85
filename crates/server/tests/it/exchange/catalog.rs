//! Every provider of the catalog once, from a stored credential to the vendor and back. What its own host, its operations and many
//! credentials make of a request is tested beside the code that builds it (`proxy::inject`).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keystore_catalog::{Billing, Field, InjectionTemplate, Provider, Slot, UrlParam, providers};
use serde_json::json;

use crate::support::{CANARY, TestApp};

const PATH: &str = "/catalog-check";
/// What a client puts into every other place for a credential.
const DECOY: &str = "clients-own-secret";

/// The providers whose credential itself is written into the request. Signatures and tokens are in `signed` and `tokens`.
fn callable() -> impl Iterator<Item = &'static Provider> {
    let computed = |injection: &InjectionTemplate| {
        matches!(
            injection,
            InjectionTemplate::Sigv4 { .. } | InjectionTemplate::Token(_)
        )
    };
    providers()
        .iter()
        .filter(move |provider| !provider.injections.iter().any(computed) && !provider.dev_only)
}

/// The parameters without which a credential is injected as it usually is.
fn usual_params(provider: &Provider) -> impl Iterator<Item = &UrlParam> {
    let usual = format!(
        "{:?} {:?} {:?}",
        provider.base_url, provider.hosts, provider.injections
    );
    provider
        .url_params
        .iter()
        .filter(move |param| usual.contains(&format!("{{{}}}", param.name)))
}

/// A value for a field: the canary for the key, something that fits for the others.
fn field_value(field: &Field) -> String {
    let samples = [
        CANARY.to_owned(),
        format!("AC{}", "0123456789abcdef".repeat(2)),
        "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw".to_owned(),
    ];
    match field.name.as_ref() {
        "key" => samples.into_iter().find(|sample| field.fits(sample)).unwrap(),
        name if field.pattern.is_none() => format!("value-of-{name}"),
        _ => samples
            .into_iter()
            .rev()
            .find(|sample| field.fits(sample))
            .unwrap(),
    }
}

fn param_value(param: &UrlParam) -> &'static str {
    match param.name.as_ref() {
        "site" if param.pattern.contains("datadoghq") => "datadoghq.com",
        _ => "eu1",
    }
}

fn filled(template: &str, values: &BTreeMap<String, String>) -> String {
    values.iter().fold(template.to_owned(), |text, (name, value)| {
        text.replace(&format!("{{{name}}}"), value)
    })
}

/// The headers that the vendor must see beside those of the client, the target, and how a token is put where its SDK would.
fn expected(provider: &Provider, values: &BTreeMap<String, String>) -> (BTreeMap<String, String>, String) {
    let mut headers = BTreeMap::new();
    let (mut before, mut query) = (String::new(), "x=1".to_owned());
    for pair in provider.default_headers.iter() {
        headers.insert(pair.name.to_string(), pair.value.to_string());
    }
    for injection in provider.injections.iter() {
        let (name, value) = match injection {
            InjectionTemplate::Bearer { template } => {
                ("authorization", format!("Bearer {}", filled(template, values)))
            }
            InjectionTemplate::Header { name, template } => (name.as_ref(), filled(template, values)),
            InjectionTemplate::Basic { username, password } => {
                let pair = format!("{}:{}", filled(username, values), filled(password, values));
                ("authorization", format!("Basic {}", STANDARD.encode(pair)))
            }
            InjectionTemplate::Query { name, template } => {
                query.push_str(&format!("&{name}={}", filled(template, values)));
                continue;
            }
            InjectionTemplate::Path { template } => {
                before.push_str(&filled(template, values));
                continue;
            }
            other => panic!("{}: {other:?}", provider.slug),
        };
        headers.insert(name.to_owned(), value);
    }
    (headers, format!("{before}{PATH}?{query}"))
}

/// The value of a header as the vendor's SDK writes it: what the file puts before the key, and the token in the key's place.
fn as_its_sdk_writes(provider: &Provider, header: &str, token: &str) -> String {
    let prefix = provider.injections.iter().find_map(|injection| match injection {
        InjectionTemplate::Header { name, template } if name == header => template.strip_suffix("{key}"),
        _ => None,
    });
    let plain = prefix.filter(|prefix| header == "authorization" && !prefix.contains('{'));
    format!("{}{token}", plain.unwrap_or_default())
}

#[tokio::test]
async fn every_provider_is_reached_with_its_credential_in_its_place() {
    let app = TestApp::start().await;
    let all: Vec<&Provider> = callable().collect();
    assert!(all.len() >= 440, "{}", all.len());
    for group in all.chunks(50) {
        for provider in group {
            let secret: BTreeMap<_, _> = provider
                .fields
                .iter()
                .map(|field| (field.name.to_string(), field_value(field)))
                .collect();
            let params: BTreeMap<_, _> = usual_params(provider)
                .map(|param| (param.name.to_string(), param_value(param)))
                .collect();
            let credential = json!({
                "provider": provider.slug, "secret": secret, "params": params, "baseUrl": app.fake_upstream().url(),
            });
            app.owner_client()
                .post("/v1/credentials", &credential)
                .await
                .expect(201);
        }
        let slugs: Vec<&str> = group.iter().map(|provider| provider.slug.as_ref()).collect();
        let token = app.create_token(slugs[0], &slugs).await;
        for provider in group {
            call(&app, &token, provider).await;
        }
    }
    app.finish().await;
}

async fn call(app: &TestApp, token: &str, provider: &Provider) {
    let slug = &provider.slug;
    let mut values: BTreeMap<_, _> = provider
        .fields
        .iter()
        .map(|field| (field.name.to_string(), field_value(field)))
        .collect();
    values.extend(
        provider
            .url_params
            .iter()
            .map(|param| (param.name.to_string(), param_value(param).to_owned())),
    );
    // What is charged by its body needs one.
    let metered = provider.operation("GET", "", PATH).billing == Billing::Metered;
    let method = if metered { "POST" } else { "GET" };
    let caller = app.caller(token);
    let slot = provider.token_slots.first();
    let (mut path, mut query) = (PATH.to_owned(), "x=1".to_owned());
    match slot {
        Some(Slot::Path(begin)) => path = format!("/{begin}{token}{PATH}"),
        Some(Slot::Query(name)) => query = format!("x=1&{name}={token}"),
        _ => {}
    }
    let mut request = caller
        .bare(method, &format!("/v1/{slug}{path}?{query}"))
        .header("x-benign", "1")
        .header("cookie", DECOY);
    request = match slot {
        Some(Slot::Header(name)) => request.header(name.as_ref(), as_its_sdk_writes(provider, name, token)),
        Some(Slot::BasicUsername) => request.basic_auth(token, Some("")),
        Some(Slot::BasicPassword) => request.basic_auth("", Some(token)),
        Some(Slot::Path(_) | Slot::Query(_)) => request.header("authorization", DECOY),
        None | Some(Slot::AwsAccessKeyId) => request.bearer_auth(token),
    };
    let taken = match slot {
        Some(Slot::Header(name)) => name.as_ref(),
        _ => "authorization",
    };
    for name in ["x-api-key", "api-key", "x-auth-token"] {
        if name != taken {
            request = request.header(name, DECOY);
        }
    }
    if metered {
        request = request.json(&json!({"model": "x"}));
    }
    let reply = caller.send(request).await;
    assert_eq!(reply.status, 200, "{slug}: {}", reply.text());
    assert_eq!(reply.header("x-keystore-source"), Some("byok"), "{slug}");

    let seen = app.fake_upstream().last();
    let (headers, target) = expected(provider, &values);
    assert_eq!(
        (seen.method.as_str(), seen.target.as_str()),
        (method, target.as_str()),
        "{slug}"
    );
    for (name, value) in &headers {
        // What a client says of its content and of the answer's wins over the file's defaults.
        if !(name == "accept" || metered && name == "content-type") {
            assert_eq!(seen.header(name), Some(value.as_str()), "{slug} {name}");
        }
    }
    let from_client = [
        "x-benign",
        "accept",
        "accept-encoding",
        "content-type",
        "content-length",
        "host",
        "user-agent",
    ];
    for (name, value) in &seen.headers {
        let name = name.as_str();
        assert!(
            headers.contains_key(name) || from_client.contains(&name),
            "{slug}: {name}"
        );
        assert!(
            !value
                .as_bytes()
                .windows(DECOY.len())
                .any(|part| part == DECOY.as_bytes()),
            "{slug}: {name}"
        );
    }
}
