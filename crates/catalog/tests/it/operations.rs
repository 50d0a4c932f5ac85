//! Which operation a request is, over the whole catalog.

use keystore_catalog::{Billing, UsageShape, providers};
use keystore_core::policy::Access::{self, Read, Write};
use proptest::prelude::*;

use crate::provider;

type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    Access,
    Billing,
    UsageShape,
);

#[rustfmt::skip]
const TABLE: &[Row] = &[
    ("openai", "POST", "", "/v1/chat/completions", "chat.completions", Write, Billing::Metered, UsageShape::OpenaiChat),
    ("openai", "GET", "", "/v1/chat/completions", "read", Read, Billing::External, UsageShape::None),
    ("openai", "POST", "", "/v1/responses", "responses", Write, Billing::Metered, UsageShape::OpenaiResponses),
    ("openai", "POST", "", "/v1/responses/resp_1/cancel", "responses.cancel", Write, Billing::External, UsageShape::None),
    ("openai", "GET", "", "/v1/responses/resp_1", "read", Read, Billing::External, UsageShape::None),
    ("openai", "POST", "", "/v1/embeddings", "embeddings", Write, Billing::Metered, UsageShape::OpenaiEmbeddings),
    ("openai", "POST", "", "/v1/images/generations", "images.generations", Write, Billing::Metered, UsageShape::OpenaiImages),
    ("openai", "POST", "", "/v1/audio/speech", "audio.speech", Write, Billing::Metered, UsageShape::OpenaiAudio),
    ("openai", "GET", "", "/v1/models", "models.list", Read, Billing::External, UsageShape::None),
    ("openai", "HEAD", "", "/v1/models", "models.list", Read, Billing::External, UsageShape::None),
    ("openai", "HEAD", "", "/v1/models/gpt-5.2", "read", Read, Billing::External, UsageShape::None),
    ("openai", "POST", "", "/v1/moderations", "moderations", Read, Billing::External, UsageShape::None),
    ("openai", "POST", "", "/v1/batches", "batches", Write, Billing::Metered, UsageShape::None),
    ("openai", "POST", "", "/v1/fine_tuning/jobs", "fine_tuning.jobs", Write, Billing::Metered, UsageShape::None),
    ("openai", "POST", "", "/v1/videos", "videos", Write, Billing::Metered, UsageShape::Video),
    ("openai", "POST", "eu", "/v1/chat/completions", "chat.completions", Write, Billing::Metered, UsageShape::OpenaiChat),
    ("openai", "POST", "", "/v1/videos/v/remix", "other", Write, Billing::Metered, UsageShape::None),
    ("openai", "DELETE", "", "/v1/files/file-1", "delete", Write, Billing::External, UsageShape::None),
    ("openai", "GET", "", "/v1/realtime", "realtime", Write, Billing::Metered, UsageShape::OpenaiRealtime),
    ("anthropic", "POST", "", "/v1/messages", "messages", Write, Billing::Metered, UsageShape::AnthropicMessages),
    ("anthropic", "POST", "", "/v1/messages/count_tokens", "messages.count_tokens", Read, Billing::External, UsageShape::None),
    ("anthropic", "POST", "", "/v1/messages/batches", "messages.batches", Write, Billing::Metered, UsageShape::None),
    ("anthropic", "GET", "", "/v1/models", "models.list", Read, Billing::External, UsageShape::None),
    ("gemini", "POST", "", "/v1beta/models/gemini-2.5-pro:generateContent", "models.generate_content", Write, Billing::Metered, UsageShape::Gemini),
    ("gemini", "POST", "", "/v1beta/models/gemini-2.5-pro:countTokens", "models.count_tokens", Read, Billing::External, UsageShape::None),
    ("gemini", "POST", "", "/v1beta/cachedContents", "other", Write, Billing::Metered, UsageShape::None),
    ("stripe", "POST", "", "/v1/payment_intents", "payment_intents.create", Write, Billing::External, UsageShape::Stripe),
    ("stripe", "GET", "", "/v1/balance", "other", Read, Billing::External, UsageShape::None),
    ("resend", "POST", "", "/emails", "emails.send", Write, Billing::Metered, UsageShape::Resend),
    ("resend", "GET", "", "/emails/1", "other", Read, Billing::External, UsageShape::None),
    ("tavily", "POST", "", "/search", "search", Write, Billing::Metered, UsageShape::Tavily),
    ("azure-openai", "POST", "", "/openai/deployments/gpt-5.2/chat/completions", "deployments.chat.completions", Write, Billing::Metered, UsageShape::OpenaiChat),
    ("telegram", "GET", "", "/sendMessage", "call", Write, Billing::External, UsageShape::None),
    ("telegram", "POST", "", "/getMe", "get", Read, Billing::External, UsageShape::None),
    ("telegram", "GET", "file", "/photos/1.jpg", "other", Read, Billing::External, UsageShape::None),
    ("twilio", "POST", "", "/2010-04-01/Accounts/AC1/Messages.json", "messages.create.format", Write, Billing::Metered, UsageShape::None),
    ("twilio", "GET", "", "/2010-04-01/Accounts/AC1/Messages.json", "other", Read, Billing::External, UsageShape::None),
    ("twilio", "GET", "lookups", "/v2/PhoneNumbers/1", "lookups.fetch", Read, Billing::Metered, UsageShape::None),
    ("sandbox", "POST", "", "/v1/chat/completions", "chat.completions", Write, Billing::Metered, UsageShape::OpenaiChat),
    ("sandbox", "POST", "", "/v1/messages", "messages", Write, Billing::Metered, UsageShape::AnthropicMessages),
];

#[test]
fn requests_are_the_operations_they_are() {
    for (slug, method, alias, path, name, access, billing, shape) in TABLE.iter().copied() {
        let found = provider(slug).operation(method, alias, path);
        assert_eq!(
            (
                found.name,
                found.access,
                found.billing,
                found.usage_shape,
                found.minting
            ),
            (name, access, billing, shape, false),
            "{slug} {method} {path}"
        );
        assert_eq!(found.operation.is_some(), name != "other");
    }
}

#[test]
fn making_credentials_is_known_for_what_it_is() {
    for (slug, method, path) in [
        ("openai", "POST", "/v1/organization/admin_api_keys"),
        ("openai", "GET", "/v1/organization/projects"),
        ("openai", "POST", "/v1/organization"),
        ("openai", "POST", "/v1/realtime/client_secrets"),
        ("openai", "POST", "/v1/realtime/sessions"),
        ("openai", "POST", "/v1/realtime/client_secrets/"),
        ("openai", "POST", "/V1/Organization/admin_api_keys"),
        ("openai", "POST", "/v1/%6frganization/admin_api_keys"),
        ("openai", "POST", "/v1%2Forganization%2fadmin_api_keys"),
        ("openai", "PROPFIND", "/v1/organization/admin_api_keys"),
        ("anthropic", "GET", "/v1/organizations/api_keys"),
        ("gemini", "POST", "/v1alpha/auth_tokens"),
        ("stripe", "POST", "/v1/ephemeral_keys"),
        ("stripe", "POST", "/v1/webhook_endpoints"),
        ("resend", "POST", "/api-keys"),
        ("resend", "DELETE", "/api-keys/1"),
        ("github", "POST", "/app/installations/1/access_tokens"),
        ("github", "POST", "/app%2Finstallations%2F1%2Faccess_tokens"),
        ("github", "POST", "/repos/o/r/actions/runners/registration-token"),
        ("github", "POST", "/repos/o/r/keys"),
        ("twilio", "POST", "/2010-04-01/Accounts/AC1/Keys.json"),
        ("twilio", "GET", "/2010-04-01/Accounts/AC1.json"),
        ("twilio", "GET", "/2010-04-01/Accounts"),
        ("tavily", "POST", "/generate-keys"),
        ("azure-openai", "POST", "/openai/v1/realtime/client_secrets"),
        ("sandbox", "POST", "/v1/keys"),
    ] {
        assert!(
            provider(slug).operation(method, "", path).minting,
            "{slug} {method} {path}"
        );
    }
    for (slug, method, path) in [
        ("stripe", "GET", "/v1/webhook_endpoints"),
        ("github", "GET", "/repos/o/r/keys"),
        ("github", "GET", "/repos/o/r/contents/app%2Finstallations"),
        ("openai", "POST", "/v1/organizations"),
    ] {
        assert!(
            !provider(slug).operation(method, "", path).minting,
            "{slug} {method} {path}"
        );
    }
}

#[test]
fn the_model_stands_in_some_paths() {
    let path = "/v1beta/models/gemini-2.5-pro:streamGenerateContent";
    let operation = provider("gemini").operation("POST", "", path).operation.unwrap();
    assert_eq!(operation.model_in_path(path).as_deref(), Some("gemini-2.5-pro"));
    let path = "/openai/deployments/my-gpt/chat/completions";
    let operation = provider("azure-openai")
        .operation("POST", "", path)
        .operation
        .unwrap();
    assert_eq!(operation.model_in_path(path).as_deref(), Some("my-gpt"));
}

proptest! {
    /// However a path is escaped, it is the operation that it is.
    #[test]
    fn escapes_change_nothing(row in 0..TABLE.len(), escaped in proptest::collection::vec(any::<bool>(), 80)) {
        let (slug, method, alias, path, name, ..) = TABLE[row];
        let written: String = path
            .bytes()
            .zip(escaped.into_iter().cycle())
            .map(|(byte, escape)| match escape && byte != b'/' {
                true => format!("%{byte:02x}"),
                false => char::from(byte).to_string(),
            })
            .collect();
        prop_assert_eq!(provider(slug).operation(method, alias, &written).name, name, "{}", written);
    }

    /// No path, however strange, makes the match fail or differ from itself.
    #[test]
    fn any_path_is_something(path in "/[ -~]{0,40}", method in "[A-Z]{3,7}") {
        for provider in providers() {
            let found = provider.operation(&method, "", &path);
            prop_assert_eq!(found.operation.is_none(), found.name == "other");
            if let Some(operation) = found.operation {
                let _ = operation.model_in_path(&path);
            }
        }
    }
}
