//! The whole catalog: random combinations of a provider, one of its operations and a credential, each made into a request by the
//! code that serves agents, and compared with what the provider's own file says.
//!
//! What is expected is read off the TOML here, not off the tables that were built from it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keystore_catalog::InjectionTemplate;
use keystore_core::destination::Destination;
use proptest::sample::Index;
use toml::{Table, Value};

use super::*;

/// What a client put where credentials go: none of it may leave.
const OWN: &str = "clients-own-secret";
/// Values of which one has the form of any parameter and of any field that has a form.
const SAMPLES: [&str; 6] = [
    "eu1",
    "us-east-1",
    "datadoghq.com",
    "AC0123456789abcdef0123456789abcdef",
    "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
    "a1b2",
];

/// The files of the providers whose credential itself is written into the request, by slug.
fn files() -> &'static BTreeMap<&'static str, Table> {
    static FILES: OnceLock<BTreeMap<&'static str, Table>> = OnceLock::new();
    FILES.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../catalog/providers");
        let read = |provider: &'static Provider| {
            let text = std::fs::read_to_string(folder.join(format!("{}.toml", provider.slug))).unwrap();
            (provider.slug.as_ref(), text.parse().unwrap())
        };
        keystore_catalog::providers()
            .iter()
            .filter(|provider| !provider.injections.iter().any(is_computed) && !provider.dev_only)
            .map(read)
            .collect()
    })
}

fn is_computed(injection: &InjectionTemplate) -> bool {
    matches!(
        injection,
        InjectionTemplate::Sigv4 { .. } | InjectionTemplate::Token(_)
    )
}

fn text<'t>(table: &'t Table, key: &str) -> &'t str {
    table.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn table(table: &Table, key: &str) -> Table {
    table
        .get(key)
        .and_then(Value::as_table)
        .cloned()
        .unwrap_or_default()
}

fn filled(template: &str, values: &BTreeMap<String, String>) -> String {
    values.iter().fold(template.to_owned(), |text, (name, value)| {
        text.replace(&format!("{{{name}}}"), value)
    })
}

/// One that matches the whole of `pattern`.
fn sample(pattern: &str) -> &'static str {
    let pattern = regex::Regex::new(&format!("^(?:{pattern})$")).unwrap();
    let fits = SAMPLES.into_iter().find(|value| pattern.is_match(value));
    fits.unwrap_or_else(|| panic!("no sample matches {pattern}"))
}

/// Where the file says that the host with this alias is: its name, and the path before every path.
fn host(file: &Table, alias: &str, values: &BTreeMap<String, String>) -> (String, String) {
    let hosts = table(file, "hosts");
    let url = match alias {
        "" => text(file, "base_url"),
        alias => text(&hosts, alias),
    };
    let url = match filled(url, values) {
        // The user's own.
        url if url.is_empty() => "https://own.example.com".to_owned(),
        url => url,
    };
    let (host, path) = url["https://".len()..]
        .split_once('/')
        .unwrap_or((&url["https://".len()..], ""));
    let path = if path.is_empty() {
        String::new()
    } else {
        format!("/{path}")
    };
    (host.to_ascii_lowercase(), path)
}

fn encoded(value: &str, also: &str) -> String {
    value
        .chars()
        .map(|letter| match letter {
            letter if letter.is_ascii_alphanumeric() || "-._~".contains(letter) || also.contains(letter) => {
                letter.to_string()
            }
            letter => format!("%{:02X}", u32::from(letter)),
        })
        .collect()
}

/// What the file says must be in the request: headers, parameters, and what stands before the path.
#[derive(Default)]
struct Slots {
    headers: BTreeMap<String, String>,
    query: Vec<String>,
    before: String,
}

fn slots(file: &Table, values: &BTreeMap<String, String>) -> Slots {
    let mut slots = Slots::default();
    let usual: Value = "bearer = \"{key}\"".parse::<Table>().unwrap().into();
    let injections = file
        .get("inject")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_else(|| vec![usual]);
    for injection in injections {
        let injection = injection.as_table().unwrap();
        if injection.contains_key("when") {
            continue;
        }
        let template = match text(injection, "value") {
            "" => "{key}",
            template => template,
        };
        if injection.contains_key("bearer") {
            let value = format!("Bearer {}", filled(text(injection, "bearer"), values));
            slots.headers.insert("authorization".to_owned(), value);
        } else if injection.contains_key("header") {
            slots
                .headers
                .insert(text(injection, "header").to_owned(), filled(template, values));
        } else if injection.contains_key("basic") {
            let basic = table(injection, "basic");
            let pair = format!(
                "{}:{}",
                filled(text(&basic, "username"), values),
                filled(text(&basic, "password"), values)
            );
            slots.headers.insert(
                "authorization".to_owned(),
                format!("Basic {}", STANDARD.encode(pair)),
            );
        } else if injection.contains_key("query") {
            let value = encoded(&filled(template, values), "");
            slots.query.push(format!("{}={value}", text(injection, "query")));
        } else {
            let values = values
                .iter()
                .map(|(name, value)| (name.clone(), encoded(value, "!$&'()*+,;=:@")))
                .collect();
            slots.before.push_str(&filled(text(injection, "path"), &values));
        }
    }
    slots
}

/// A path that the pattern covers.
fn path_of(pattern: &str, word: &str) -> String {
    let mut path = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        path.push_str(before);
        path.push_str(word);
        rest = after.split_once('}').unwrap().1;
    }
    path.push_str(rest);
    path.replace("**", &format!("{word}/more"))
}

fn config() -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig {
        // A thousand where nothing is said, and more than ten thousand under `make soak`.
        cases: config.cases.saturating_mul(4),
        failure_persistence: None,
        ..config
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_operation_reaches_its_host_with_its_credential_alone(
        (which, operation, method, alias) in any::<(Index, Index, Index, Index)>(),
        word in "[a-z][a-z0-9-]{0,8}",
        secrets in prop::collection::vec("[A-Za-z0-9_.~+/=-]{8,40}", 5),
        decoys in prop::collection::vec(any::<Index>(), 0..6),
        tagged in any::<bool>(),
    ) {
        let (slug, file) = which.get(&files().iter().collect::<Vec<_>>()).to_owned();
        let provider = keystore_catalog::provider(slug).unwrap();

        // The credential: every field and every parameter.
        let fields: BTreeMap<String, String> = provider
            .fields
            .iter()
            .zip(&secrets)
            .map(|(field, secret)| {
                let value = field.pattern.as_ref().map_or(secret.as_str(), |pattern| sample(pattern));
                (field.name.to_string(), value.to_owned())
            })
            .collect();
        let params: BTreeMap<String, String> = provider
            .url_params
            .iter()
            .filter(|param| provider.alternatives.is_empty() || param.name == "region")
            .map(|param| (param.name.to_string(), sample(&param.pattern).to_owned()))
            .collect();
        let values: BTreeMap<_, _> = fields.clone().into_iter().chain(params.clone()).collect();
        let own = provider.self_hosted.then_some("https://own.example.com");
        let policy = provider.destination_policy(&params, own, &|_| false).unwrap();

        // The request: an operation of the file, or one that it does not know.
        let listed = (!provider.operations.is_empty()).then(|| operation.get(&provider.operations));
        let aliases: Vec<&str> = policy.hosts.iter().map(|host| host.alias.as_str()).collect();
        let alias = match listed.map(|operation| operation.host.as_ref()) {
            Some("*") | None => *alias.get(&aliases),
            Some(alias) if aliases.contains(&alias) => alias,
            // The user's own host has no others beside it.
            Some(_) => return Ok(()),
        };
        let any = ["GET", "POST", "DELETE"].map(keystore_catalog::Str::from);
        let methods: &[_] = match listed {
            Some(operation) if !operation.methods.is_empty() => &operation.methods,
            _ => &any,
        };
        let method = method.get(methods).as_ref();
        let path = listed.map_or_else(|| format!("/{word}/unknown"), |operation| path_of(&operation.path, &word));
        let found = provider.operation(method, alias, &path);
        if let Some(listed) = listed {
            let at = |name: &str| provider.operations.iter().position(|operation| operation.name == name);
            prop_assert!(at(found.name).is_some_and(|found| Some(found) <= at(&listed.name)), "{slug} {path}: {}", found.name);
        }
        if found.minting {
            // Refused before anything is built.
            return Ok(());
        }

        // What the client sends along.
        let mut headers = HeaderMap::new();
        headers.insert("x-benign", HeaderValue::from_static("1"));
        headers.insert("cookie", HeaderValue::from_static(OWN));
        for decoy in decoys {
            let name = *decoy.get(keystore_catalog::credential_slots());
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(OWN));
        }
        for name in provider.account_headers.iter() {
            headers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static(OWN));
        }
        let tag = provider.default_headers.first().filter(|_| tagged);
        if let Some(tag) = tag {
            headers.insert(HeaderName::from_bytes(tag.name.as_bytes()).unwrap(), HeaderValue::from_static("mine"));
        }
        let queries: Vec<String> = provider.credential_queries().map(|name| format!("&{name}={OWN}")).collect();
        let query = format!("a=%2F{}&b=", queries.concat());
        let parts = BuildParts {
            method: &method.parse().unwrap(), path: &path, query: Some(&query), headers, provider, alias, policy: &policy,
            body_bytes: None, body_sha256: None, token: None, now: Micros(0),
        };
        let built = assemble(parts, &|name| fields.get(name).map(String::as_str))
            .unwrap_or_else(|error| panic!("{slug}: {error}"));

        // What the file says.
        let Destination { host: to, port, scheme, .. } = policy.host(alias).unwrap();
        let (expected_host, base_path) = host(file, alias, &values);
        prop_assert_eq!((to.as_str(), *port, *scheme), (expected_host.as_str(), 443, Scheme::Https), "{}", slug);
        let slots = slots(file, &values);
        let path = if path == "/" && !slots.before.is_empty() { "" } else { &path };
        let query: Vec<String> = ["a=%2F&b=".to_owned()].into_iter().chain(slots.query).collect();
        let target = format!("{base_path}{}{path}?{}", slots.before, query.join("&"));
        prop_assert_eq!(built.request.path_and_query.as_str(), target, "{}", slug);
        let mut expected: BTreeMap<String, String> = slots.headers;
        expected.insert("x-benign".into(), "1".into());
        expected.insert("accept-encoding".into(), "identity".into());
        for (name, value) in table(file, "default_headers") {
            let sent = tag.is_some_and(|tag| tag.name == name);
            let value = if sent { "mine" } else { value.as_str().unwrap() };
            expected.insert(name, value.to_owned());
        }
        let sent: BTreeMap<String, String> = built
            .request
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        prop_assert_eq!(sent.len(), built.request.headers.len());
        prop_assert_eq!(sent, expected, "{}", slug);

        // What the vendor echoes of the secrets is found.
        for field in provider.fields.iter().filter(|field| field.secret && field.required) {
            prop_assert!(built.needles.occur_in(fields[field.name.as_ref()].as_bytes()), "{slug} {}", field.name);
        }
    }
}
