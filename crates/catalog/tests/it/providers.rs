//! The built-in table.

use std::collections::BTreeSet;
use std::path::PathBuf;

use keystore_catalog::{
    Billing, UsageShape, credential_queries, credential_slots, nearest, parse_prices, parse_provider,
    providers, recognise_key,
};

use crate::provider;

fn file(folder: &str, slug: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../catalog")
        .join(folder)
        .join(format!("{slug}.toml"))
}

/// What `build.rs` wrote down is what the schema reads at run time: nothing is lost on the way.
#[test]
fn the_table_is_what_the_files_say() {
    let folder = file("providers", "openai").parent().unwrap().to_owned();
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), providers().len());
    for built_in in providers() {
        let prices = match std::fs::read_to_string(file("prices", &built_in.slug)) {
            Ok(text) => parse_prices("prices", &text).unwrap(),
            Err(_) => Default::default(),
        };
        let text = std::fs::read_to_string(file("providers", &built_in.slug)).unwrap();
        let read = parse_provider(&built_in.slug, "file", &text, prices).unwrap();
        assert_eq!(&read, built_in);
    }
}

#[test]
fn the_first_providers_are_there_and_sorted() {
    let slugs: Vec<&str> = providers()
        .iter()
        .map(|provider| provider.slug.as_ref())
        .collect();
    assert!(slugs.is_sorted());
    assert!(slugs.len() > 470, "{}", slugs.len());
    for slug in [
        "anthropic",
        "azure-openai",
        "deepseek",
        "exa",
        "gemini",
        "github",
        "groq",
        "mistral",
        "openai",
        "resend",
        "sandbox",
        "stripe",
        "tavily",
        "telegram",
        "twilio",
    ] {
        assert_eq!(provider(slug).slug, slug);
    }
    assert!(keystore_catalog::provider("chat").is_none());
    assert!(keystore_catalog::provider("").is_none());
    let dev_only: Vec<&str> = providers()
        .iter()
        .filter(|provider| provider.dev_only)
        .map(|provider| provider.slug.as_ref())
        .collect();
    assert_eq!(dev_only, ["sandbox"]);
}

#[test]
fn a_slip_of_the_pen_finds_the_slug() {
    for (typed, slug) in [
        ("opneai", Some("openai")),
        ("OpenAI", Some("openai")),
        ("antropic", Some("anthropic")),
        ("azure_openai", Some("azure-openai")),
        ("githb", Some("github")),
        ("zzz", None),
        ("", None),
    ] {
        assert_eq!(nearest(typed), slug, "{typed}");
    }
}

#[test]
fn credential_places_cover_the_catalog() {
    let slots = credential_slots();
    assert!(slots.is_sorted() && slots.iter().all(|name| *name == name.to_ascii_lowercase()));
    for name in [
        "authorization",
        "proxy-authorization",
        "x-api-key",
        "api-key",
        "x-goog-api-key",
    ] {
        assert!(slots.contains(&name), "{name}");
    }
    // Ids that are not secret may be ordinary headers of others.
    for name in ["x-user-id", "client-id", "x-pw-useremail"] {
        assert!(!slots.contains(&name), "{name}");
    }
    for name in ["access_token", "key", "appid"] {
        assert!(credential_queries().contains(&name), "{name}");
    }
    let gemini: BTreeSet<&str> = provider("gemini").credential_queries().collect();
    assert_eq!(gemini, BTreeSet::from(["access_token", "key"]));
    assert_eq!(provider("github").credential_queries().count(), 0);
}

#[test]
fn keys_with_a_prefix_are_recognised() {
    let slugs = |key: &str| {
        recognise_key(key)
            .iter()
            .map(|provider| provider.slug.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(slugs(&format!("sk-proj-{}", "a".repeat(40))), ["openai"]);
    assert_eq!(slugs(&format!("sk-ant-api03-{}", "a".repeat(90))), ["anthropic"]);
    assert_eq!(slugs(&format!("gsk_{}", "A".repeat(52))), ["groq"]);
    // Vendors whose keys look alike are a choice, not a guess.
    let alike = slugs(&format!("sk_test_{}", "A".repeat(24)));
    assert!(
        alike.len() > 1 && alike.contains(&"stripe".to_owned()),
        "{alike:?}"
    );
    // Only length and alphabet: a guess would be wrong more often than right.
    assert_eq!(slugs(&"a".repeat(32)), [""; 0]);
    // The whole text must be a key.
    assert_eq!(slugs(&format!("gsk_{} and more", "A".repeat(52))), [""; 0]);
}

#[test]
fn bad_keys_are_told_from_other_refusals() {
    let openai = provider("openai");
    assert!(openai.is_bad_key(401, br#"{"error":{"message":"x","code":"invalid_api_key"}}"#));
    assert!(!openai.is_bad_key(401, br#"{"error":{"message":"x","code":"invalid_organization"}}"#));
    assert!(!openai.is_bad_key(400, br#"{"error":{"code":"invalid_api_key"}}"#));
    assert!(!openai.is_bad_key(401, b"<html>"));
    assert!(openai.may_be_bad_key(401) && !openai.may_be_bad_key(403));

    let gemini = provider("gemini");
    let details = r#"{"error":{"code":400,"status":"INVALID_ARGUMENT","details":[{"@type":"x"},{"reason":"API_KEY_INVALID"}]}}"#;
    assert!(gemini.is_bad_key(400, details.as_bytes()));
    assert!(gemini.is_bad_key(400, format!("[{details}]").as_bytes()));
    assert!(!gemini.is_bad_key(
        400,
        br#"{"error":{"code":400,"details":[{"reason":"BAD_REQUEST"}]}}"#
    ));

    let resend = provider("resend");
    assert!(resend.is_bad_key(403, br#"{"statusCode":403,"name":"invalid_api_key"}"#));
    assert!(!resend.is_bad_key(401, br#"{"statusCode":401,"name":"restricted_api_key"}"#));

    assert!(provider("stripe").is_bad_key(401, b""));
    assert!(!provider("stripe").is_bad_key(402, b""));
    assert_eq!(provider("stripe").refusal_budget_status, Some(403));
}

#[test]
fn sdks_find_their_base_url() {
    let base = |slug: &str, name: &str| {
        let variables = &provider(slug).env.base_url;
        variables
            .iter()
            .find(|variable| variable.name == name)
            .map(|variable| variable.path.to_string())
    };
    assert_eq!(base("openai", "OPENAI_BASE_URL").as_deref(), Some("/v1"));
    assert_eq!(base("anthropic", "ANTHROPIC_BASE_URL").as_deref(), Some(""));
    assert_eq!(provider("openai").env.key[0], "OPENAI_API_KEY");
}

/// What is charged by use must be able to have a price, and what has one must be charged.
#[test]
fn billing_fits_the_prices() {
    for provider in providers() {
        for operation in provider.operations.iter() {
            let at = format!("{} {}", provider.slug, operation.name);
            if operation.minting {
                assert_eq!(operation.billing, Billing::External, "{at}");
            }
            if matches!(
                operation.usage_shape,
                UsageShape::OpenaiChat | UsageShape::AnthropicMessages
            ) {
                assert_eq!(operation.billing, Billing::Metered, "{at}");
                // Without it a budget could not bound what the model says.
                assert!(operation.output_cap.is_some(), "{at}");
            }
        }
    }
}

#[test]
fn a_value_has_the_form_of_its_field() {
    let field = |slug: &str, name: &str| {
        let fields = &provider(slug).fields;
        fields.iter().find(|field| field.name == name).cloned().unwrap()
    };
    let sid = field("twilio", "account_sid");
    let good = format!("AC{}", "0123456789abcdef".repeat(2));
    assert!(sid.fits(&good) && sid.fits(&format!(" {good}\n")));
    for bad in ["", "AC0123", &format!("{good}0"), &format!("{good}/../x")] {
        assert!(!sid.fits(bad), "{bad}");
    }
    assert!(field("openai", "key").fits("anything"));
}
