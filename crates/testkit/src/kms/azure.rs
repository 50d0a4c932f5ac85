//! Azure: `wrapkey` and `unwrapkey` of Key Vault (7.4), tokens of Entra, and managed identity of machines and apps.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::{Asked, LIFE, Mood, Reply, State, secrets};

/// The key, as Keystore names it.
pub(super) const KEY_NAME: &str = "azure:https://acme.vault.azure.net/keys/keystore";
const VERSION: &str = "78deebed173b48e48f55abf87ed4cf71";
const ACCESS: &str = "eyJ.canary-entra";
const RESOURCE: &str = "https://vault.azure.net";

pub(super) fn answer(state: &mut State, asked: &Asked) -> Reply {
    let version = format!("/keys/keystore/{VERSION}/unwrapkey");
    match (asked.method.as_str(), asked.path.as_str()) {
        ("POST", "/tenant/oauth2/v2.0/token") => token(state, asked),
        ("GET", "/metadata/identity/oauth2/token") => {
            let holds = asked.header("metadata") == "true" && query(asked, "api-version") == "2018-02-01";
            managed(state, asked, holds)
        }
        ("GET", "/msi/token") => {
            let holds = asked.header("x-identity-header") == secrets::SHARED
                && query(asked, "api-version") == "2019-08-01";
            managed(state, asked, holds)
        }
        ("POST", "/keys/keystore/wrapkey") => operate(state, asked, true),
        ("POST", path) if path == version => operate(state, asked, false),
        _ => error(
            404,
            "KeyNotFound",
            "",
            "A key with (name/id) was not found in this key vault.",
        ),
    }
}

fn query<'a>(asked: &'a Asked, name: &str) -> &'a str {
    asked.query.get(name).map_or("", String::as_str)
}

fn error(status: u16, code: &str, inner: &str, message: &str) -> Reply {
    let inner = match inner {
        "" => serde_json::Value::Null,
        inner => json!({"code": inner}),
    };
    let mut body = json!({"error": {"code": code, "message": message}});
    if !inner.is_null() {
        body["error"]["innererror"] = inner;
    }
    Reply::json(status, &body)
}

fn token(state: &mut State, asked: &Asked) -> Reply {
    let form = asked.form();
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    let proof = field("client_secret") == secrets::SHARED
        || field("client_assertion") == secrets::SHARED
            && field("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let holds = field("grant_type") == "client_credentials"
        && field("client_id") == "client"
        && field("scope") == format!("{RESOURCE}/.default")
        && proof;
    if !state.must(holds, "Entra: nobody proved who they are") {
        return Reply::json(
            401,
            &json!({"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."}),
        );
    }
    state.sign_ins += 1;
    Reply::json(
        200,
        &json!({"token_type": "Bearer", "expires_in": LIFE, "access_token": ACCESS}),
    )
}

fn managed(state: &mut State, asked: &Asked, holds: bool) -> Reply {
    let holds = holds && query(asked, "resource") == RESOURCE;
    if !state.must(
        holds,
        "managed identity: the request is not of the documented form",
    ) {
        return Reply::json(
            400,
            &json!({"error": "invalid_request", "error_description": "Required metadata header not specified"}),
        );
    }
    state.sign_ins += 1;
    // Here the number is a text.
    Reply::json(
        200,
        &json!({"access_token": ACCESS, "expires_in": LIFE.to_string(), "resource": RESOURCE, "token_type": "Bearer"}),
    )
}

fn operate(state: &mut State, asked: &Asked, wraps: bool) -> Reply {
    state.uses += 1;
    let holds = asked.header("authorization") == format!("Bearer {ACCESS}");
    if !state.must(holds, "Key Vault: no access token") {
        return error(
            401,
            "Unauthorized",
            "",
            "AKV10000: Request is missing a Bearer or PoP token.",
        );
    }
    state.must(
        query(asked, "api-version") == "7.4",
        "Key Vault: the version of the API is missing",
    );
    match state.mood {
        Mood::Failing => return error(500, "InternalServerError", "", ""),
        Mood::Throttled => {
            return error(
                429,
                "Throttled",
                "",
                "Request was not processed because too many requests",
            );
        }
        Mood::Denied => {
            return error(
                403,
                "Forbidden",
                "ForbiddenByRbac",
                "Caller is not authorized to perform action",
            );
        }
        Mood::Disabled => {
            return error(
                403,
                "Forbidden",
                "KeyDisabled",
                "Operation wrapKey is not allowed on a disabled key.",
            );
        }
        _ => {}
    }
    let body = asked.json();
    state.has_members(&body, &["alg", "value"]);
    state.must(
        body["alg"] == "RSA-OAEP-256",
        "Key Vault: the algorithm is RSA-OAEP-256",
    );
    let value = URL_SAFE_NO_PAD.decode(body["value"].as_str().unwrap_or_default());
    let Ok(value) = value else {
        state.must(false, "Key Vault: the value is base64url without padding");
        return error(400, "BadParameter", "", "Property value has invalid value");
    };
    let done = match wraps {
        true => state.keys.rsa_encrypt(&value),
        false => state.keys.rsa_decrypt(&value),
    };
    let Some(done) = done else {
        return error(400, "BadParameter", "", "The parameter is incorrect.");
    };
    let value = match state.mood {
        Mood::Damaged => "not base64!".to_owned(),
        _ => URL_SAFE_NO_PAD.encode(done),
    };
    Reply::json(
        200,
        &json!({"kid": format!("https://acme.vault.azure.net/keys/keystore/{VERSION}"), "value": value}),
    )
}
