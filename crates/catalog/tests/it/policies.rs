//! Destination policies.

use std::collections::BTreeMap;

use keystore_catalog::{PolicyError, PriceTable, Provider, parse_provider, providers};
use keystore_core::destination::{DestinationPolicy, Injection, Scheme};
use proptest::prelude::*;

use crate::provider;

fn nobody(_: &str) -> bool {
    false
}

fn params(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn templates(injection: &Injection) -> Vec<&str> {
    match injection {
        Injection::Bearer { template }
        | Injection::Header { template, .. }
        | Injection::Query { template, .. }
        | Injection::Path { template } => vec![template],
        Injection::Basic { username, password } => vec![username, password],
        Injection::Sigv4 {
            access_key_id,
            service,
            region,
            ..
        } => vec![access_key_id, service, region],
        Injection::Token(token) => token.form.values().map(String::as_str).collect(),
    }
}

/// A signature or a token takes its fields without a template.
fn is_computed(injection: &Injection) -> bool {
    matches!(injection, Injection::Sigv4 { .. } | Injection::Token(_))
}

/// A value that has the form of a parameter.
fn sample(pattern: &str) -> &'static str {
    let pattern = regex::Regex::new(&format!("^(?:{pattern})$")).unwrap();
    let fits = ["demo", "eu1", "datadoghq.com", "42", "AKIAIOSFODNN7EXAMPLE"]
        .into_iter()
        .find(|value| pattern.is_match(value));
    fits.unwrap_or_else(|| panic!("no sample matches {pattern}"))
}

/// Every provider.
fn usable() -> impl Iterator<Item = &'static Provider> {
    providers().iter()
}

fn drawn_up(provider: &Provider) -> DestinationPolicy {
    let given: BTreeMap<String, String> = provider
        .url_params
        .iter()
        .map(|param| (param.name.to_string(), sample(&param.pattern).to_owned()))
        .collect();
    if provider.base_url.is_some() {
        return provider.destination_policy(&given, None, &nobody).unwrap();
    }
    provider
        .destination_policy(&given, Some("http://127.0.0.1:4000"), &|host| {
            host == "127.0.0.1:4000"
        })
        .unwrap()
}

#[test]
fn every_provider_has_a_policy() {
    for provider in usable() {
        let policy = drawn_up(provider);
        assert_eq!(policy.version, 1);
        assert_eq!(policy.hosts[0].alias, "", "{}", provider.slug);
        assert_eq!(policy.hosts.len(), 1 + provider.hosts.len(), "{}", provider.slug);
        for host in &policy.hosts {
            assert!(
                provider.base_url.is_none() || (host.scheme == Scheme::Https && host.port == 443),
                "{}",
                provider.slug
            );
            assert!(!host.host.contains(['{', '/', ':']), "{}", host.host);
        }
        assert!(
            policy.injections.iter().any(|injection| is_computed(injection)
                || templates(injection)
                    .iter()
                    .any(|template| template.contains("{key}"))),
            "{} injects its key",
            provider.slug
        );
        let read: DestinationPolicy = serde_json::from_slice(&policy.canonical()).unwrap();
        assert_eq!(read, policy, "{}", provider.slug);
    }
}

#[test]
fn each_kind_of_injection_is_what_the_vendor_takes() {
    let injections = |slug: &str| drawn_up(provider(slug)).injections;
    assert_eq!(
        injections("openai"),
        [Injection::Bearer {
            template: "{key}".into()
        }]
    );
    assert_eq!(
        injections("anthropic"),
        [Injection::Header {
            name: "x-api-key".into(),
            template: "{key}".into()
        }]
    );
    assert_eq!(
        injections("telegram"),
        [Injection::Path {
            template: "/bot{key}".into()
        }]
    );
    assert_eq!(
        injections("twilio"),
        [Injection::Basic {
            username: "{account_sid}".into(),
            password: "{key}".into()
        }]
    );
    let file = drawn_up(provider("telegram")).host("file").cloned().unwrap();
    assert_eq!(
        (file.host.as_str(), file.base_path.as_str()),
        ("api.telegram.org", "/file")
    );
}

#[test]
fn parameters_are_checked_and_sealed() {
    let azure = provider("azure-openai");
    let policy = azure
        .destination_policy(&params(&[("resource", "my-res")]), None, &nobody)
        .unwrap();
    assert_eq!(policy.hosts[0].host, "my-res.openai.azure.com");
    assert!(matches!(
        azure.destination_policy(&params(&[]), None, &nobody),
        Err(PolicyError::MissingParam { name, .. }) if name == "resource"
    ));
    assert!(matches!(
        azure.destination_policy(&params(&[("resorce", "x")]), None, &nobody),
        Err(PolicyError::UnknownParam { nearest: Some(near), .. }) if near == "resource"
    ));
    for value in [
        "",
        "evil.com/",
        "a.b",
        "a@b",
        "a#",
        "A",
        "a\n",
        "{key}",
        "-a",
        "a-",
        "evil.com?x=",
        "x:1",
    ] {
        let error = azure
            .destination_policy(&params(&[("resource", value)]), None, &nobody)
            .unwrap_err();
        assert!(
            matches!(error, PolicyError::InvalidParam { .. }),
            "{value:?}: {error}"
        );
    }
}

#[test]
fn a_base_url_needs_a_permission() {
    let openai = provider("openai");
    let refused = openai
        .destination_policy(&params(&[]), Some("https://evil.example"), &nobody)
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "evil.example:443 is not a host of provider openai; start the server with `--allow-upstream evil.example:443` to allow it"
    );
    let listed = |host: &str| host == "127.0.0.1:9000";
    let policy = openai
        .destination_policy(&params(&[]), Some("http://127.0.0.1:9000/x"), &listed)
        .unwrap();
    assert!(policy.self_hosted && policy.hosts[0].base_path == "/x");
    // The vendor's own address is no other address.
    let own = openai
        .destination_policy(&params(&[]), Some("https://API.openai.com/"), &nobody)
        .unwrap();
    assert_eq!(own, drawn_up(openai));
    // A key for another server does not go to the vendor's further hosts.
    let twilio = provider("twilio")
        .destination_policy(&params(&[]), Some("http://127.0.0.1:9000"), &listed)
        .unwrap();
    assert_eq!(twilio.hosts.len(), 1);
}

#[test]
fn software_of_ones_own_needs_its_base_url() {
    let text = "name = \"Mine\"\ncategory = \"other\"\nself_hosted = true\n";
    let mine = parse_provider("mine", "mine.toml", text, Default::default()).unwrap();
    assert!(matches!(
        mine.destination_policy(&params(&[]), None, &nobody),
        Err(PolicyError::MissingBaseUrl { .. })
    ));
    let policy = mine
        .destination_policy(&params(&[]), Some("https://mine.example/api"), &nobody)
        .unwrap();
    // Not the operator's word: egress goes on refusing private addresses.
    assert!(!policy.self_hosted);
    assert_eq!(policy.hosts[0].base_path, "/api");
    assert!(matches!(
        mine.destination_policy(&params(&[]), Some("http://mine.example"), &nobody),
        Err(PolicyError::BaseUrlNotAllowed { .. })
    ));
    assert!(matches!(
        mine.destination_policy(&params(&[]), Some("https://user@mine.example"), &nobody),
        Err(PolicyError::InvalidBaseUrl { .. })
    ));
}

/// A parameter of an injection is sealed with it and cannot smuggle in another placeholder.
#[test]
fn parameters_of_injections_are_filled_in() {
    let text = r#"
        name = "X"
        category = "other"
        base_url = "https://x.example"
        [params.account]
        pattern = ".*"
        description = "the account"
        [[inject]]
        header = "x-auth"
        value = "{account}:{key}"
    "#;
    let x = parse_provider("x", "x.toml", text, Default::default()).unwrap();
    let policy = x
        .destination_policy(&params(&[("account", "a 1")]), None, &nobody)
        .unwrap();
    assert_eq!(
        policy.injections,
        [Injection::Header {
            name: "x-auth".into(),
            template: "a 1:{key}".into()
        }]
    );
    for value in ["{key}", "a\r\nb", "ä"] {
        assert!(
            x.destination_policy(&params(&[("account", value)]), None, &nobody)
                .is_err(),
            "{value:?}"
        );
    }
}

proptest! {
    /// Whatever a parameter holds, the host stays the vendor's.
    #[test]
    fn a_parameter_never_leaves_the_vendor(value in ".{0,30}") {
        if let Ok(policy) = provider("azure-openai").destination_policy(&params(&[("resource", &value)]), None, &nobody) {
            prop_assert!(policy.hosts[0].host.ends_with(".openai.azure.com"));
            prop_assert_eq!(policy.hosts[0].host.matches('.').count(), 3);
        }
    }
}

const SIGNED: &str = r#"
name = "X"
category = "cloud"
base_url = "https://{region}.x.example"

[params.region]
description = "the region"

[hosts]
bucket = "https://{bucket}.x.example"

[params.bucket]
description = "a bucket"

[[inject]]
sigv4 = { service = "x", region = "{region}" }

[fields.key]
label = "Secret access key"

[fields.access_key_id]
label = "Access key ID"
secret = false
"#;

fn drawn(text: &str, given: &[(&str, &str)], base_url: Option<&str>) -> DestinationPolicy {
    let provider = parse_provider("x", "x.toml", text, PriceTable::default()).unwrap();
    provider
        .destination_policy(&params(given), base_url, &|_| true)
        .unwrap()
}

/// What a signature and a token need is written into the policy, so that it is sealed with the credential.
#[test]
fn a_signature_and_a_token_are_drawn_up_with_their_parameters() {
    let policy = drawn(SIGNED, &[("region", "eu")], None);
    let [
        Injection::Sigv4 {
            access_key_id,
            service,
            region,
            services,
        },
    ] = policy.injections.as_slice()
    else {
        panic!("{policy:?}");
    };
    assert_eq!(
        (access_key_id.as_str(), service.as_str(), region.as_str()),
        ("{access_key_id}", "x", "eu")
    );
    assert!(services.is_empty() && policy.token().is_none());
    assert!(policy.signs_body("") && policy.signs_body("bucket"));

    let text = SIGNED.replace(
        "sigv4 = { service = \"x\", region = \"{region}\" }",
        "oauth2_client_credentials = { token_url = \"https://{region}.login.example/t\", client_auth = \"none\", form = { id = \"{access_key_id}\", apikey = \"{key}\" } }",
    );
    let policy = drawn(&text, &[("region", "eu")], None);
    let token = policy.token().unwrap();
    assert_eq!(
        (token.endpoint.host.as_str(), token.endpoint.base_path.as_str()),
        ("eu.login.example", "/t")
    );
    assert_eq!(token.form["apikey"], "{key}");
    assert!(!policy.signs_body(""));
    // A path alone is one of the base host, the user's own too.
    let text = text.replace("https://{region}.login.example/t", "/t");
    assert_eq!(
        drawn(&text, &[("region", "eu")], None)
            .token()
            .unwrap()
            .endpoint
            .host,
        "eu.x.example"
    );
    let own = drawn(&text, &[("region", "eu")], Some("https://mine.example/api"));
    let endpoint = &own.token().unwrap().endpoint;
    assert_eq!(
        (endpoint.host.as_str(), endpoint.base_path.as_str()),
        ("mine.example", "/api/t")
    );
}

/// A credential with the parameter of an alternative is injected in its way, every other one in the usual.
#[test]
fn an_alternative_counts_for_credentials_with_its_parameter() {
    let github = provider("github");
    let usual = github.destination_policy(&params(&[]), None, &nobody).unwrap();
    assert!(matches!(usual.injections.as_slice(), [Injection::Bearer { .. }]));
    let app = params(&[("installation_id", "42"), ("app_id", "7")]);
    let app = github.destination_policy(&app, None, &nobody).unwrap();
    let token = app.token().unwrap();
    assert_eq!(token.endpoint.base_path, "/app/installations/42/access_tokens");
    assert_eq!(token.issuer.as_deref(), Some("7"));
    let half = github.destination_policy(&params(&[("installation_id", "42")]), None, &nobody);
    assert!(matches!(half, Err(PolicyError::MissingParam { name, .. }) if name == "app_id"));
    let text =
        "name = \"X\"\ncategory = \"llm\"\nbase_url = \"https://x.example\"\n[[inject]]\nwhen = \"id\"\n";
    let wrong = |inject: &str| {
        let text = format!("{text}{inject}\n[params.id]\ndescription = \"an id\"\n");
        parse_provider("x", "x.toml", &text, PriceTable::default())
            .unwrap_err()
            .to_string()
    };
    assert!(wrong("header = \"x-key\"").contains("stands only beside"));
    assert!(wrong("github_app = { token_url = \"/t\" }").contains("write the app's id"));
}

/// A further host that needs a parameter is there for those who give it.
#[test]
fn a_host_without_its_parameter_is_left_out() {
    let text = SIGNED.replace(
        "sigv4 = { service = \"x\", region = \"{region}\" }",
        "basic = { username = \"{access_key_id}\", password = \"{key}\" }",
    );
    let plain = parse_provider("x", "x.toml", &text, PriceTable::default()).unwrap();
    let hosts = |given: &[(&str, &str)]| {
        let params = given
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let policy = plain.destination_policy(&params, None, &|_| false).unwrap();
        policy.hosts.into_iter().map(|host| host.host).collect::<Vec<_>>()
    };
    assert_eq!(hosts(&[("region", "eu")]), ["eu.x.example"]);
    assert_eq!(
        hosts(&[("region", "eu"), ("bucket", "b")]),
        ["eu.x.example", "b.x.example"]
    );
}
