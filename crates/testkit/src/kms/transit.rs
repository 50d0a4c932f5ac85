//! HashiCorp Vault: Transit, and the sign-ins AppRole and Kubernetes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{Asked, LIFE, Mood, Reply, State, secrets};

/// The key, as Keystore names it.
pub(super) const KEY_NAME: &str = "vault:transit/keystore";
/// A token of a sign-in.
const TOKEN: &str = "hvs.canary-signed-in";

pub(super) fn answer(state: &mut State, asked: &Asked) -> Reply {
    state.must(
        asked.header("x-vault-request") == "true",
        "Vault: X-Vault-Request is missing",
    );
    match (asked.method.as_str(), asked.path.as_str()) {
        ("POST", "/v1/auth/approle/login") => {
            let body = asked.json();
            state.has_members(&body, &["role_id", "secret_id"]);
            login(
                state,
                body["secret_id"] == secrets::SHARED && body["role_id"] == "role",
            )
        }
        ("POST", "/v1/auth/kubernetes/login") => {
            let body = asked.json();
            state.has_members(&body, &["role", "jwt"]);
            login(state, body["jwt"] == secrets::SHARED && body["role"] == "role")
        }
        ("POST", "/v1/transit/encrypt/keystore") => operate(state, asked, true),
        ("POST", "/v1/transit/decrypt/keystore") => operate(state, asked, false),
        ("POST", path) if path.starts_with("/v1/transit/") => error(400, "encryption key not found"),
        _ => error(404, "no handler for route"),
    }
}

fn error(status: u16, message: &str) -> Reply {
    Reply::json(status, &json!({"errors": [message]}))
}

fn login(state: &mut State, holds: bool) -> Reply {
    if !state.must(holds, "Vault: nobody proved who they are") {
        return error(400, "invalid role or secret ID");
    }
    state.sign_ins += 1;
    Reply::json(
        200,
        &json!({"auth": {"client_token": TOKEN, "lease_duration": LIFE, "renewable": true}}),
    )
}

fn operate(state: &mut State, asked: &Asked, encrypts: bool) -> Reply {
    state.uses += 1;
    let token = asked.header("x-vault-token");
    if !state.must(
        [TOKEN, secrets::VAULT_TOKEN].contains(&token),
        "Vault: an unknown token",
    ) {
        return error(403, "permission denied");
    }
    match state.mood {
        Mood::Failing => return error(503, "Vault is sealed"),
        Mood::Throttled => return error(429, "request path \"transit\": rate limit quota exceeded"),
        Mood::Denied => return error(403, "1 error occurred:\n\t* permission denied\n\n"),
        Mood::Disabled => {
            return error(
                400,
                "ciphertext or signature version is disallowed by policy (too old)",
            );
        }
        _ => {}
    }
    let body = asked.json();
    let input = if encrypts { "plaintext" } else { "ciphertext" };
    state.has_members(&body, &[input, "associated_data"]);
    let aad = STANDARD.decode(body["associated_data"].as_str().unwrap_or_default());
    let text = body[input].as_str().unwrap_or_default();
    let coded = text
        .strip_prefix("vault:v1:")
        .filter(|_| !encrypts)
        .unwrap_or(text);
    let (Ok(aad), Ok(bytes)) = (aad, STANDARD.decode(coded)) else {
        state.must(false, "Vault: what is given is base64");
        return error(400, "failed to base64-decode");
    };
    let damaged = state.mood == Mood::Damaged;
    let data = match encrypts {
        true if damaged => json!({"ciphertext": "damaged", "key_version": 1}),
        true => {
            let sealed = STANDARD.encode(state.keys.encrypt(&bytes, &aad));
            json!({"ciphertext": format!("vault:v1:{sealed}"), "key_version": 1})
        }
        false => match state.keys.decrypt(&bytes, &aad) {
            Some(_) if damaged => json!({"plaintext": "not base64!"}),
            Some(plaintext) => json!({"plaintext": STANDARD.encode(plaintext)}),
            None => return error(400, "cipher: message authentication failed"),
        },
    };
    Reply::json(200, &json!({"request_id": "1", "data": data}))
}
