//! Google Cloud: `:encrypt` and `:decrypt` of KMS, the OAuth token endpoint for service accounts and people, and the metadata server.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::crypto::crc32c;
use super::{Asked, LIFE, Mood, Reply, State, secrets};

/// The key, as Keystore names it.
pub(super) const KEY_NAME: &str = "gcp:projects/p/locations/europe-west3/keyRings/r/cryptoKeys/k";
const KEY: &str = "projects/p/locations/europe-west3/keyRings/r/cryptoKeys/k";
const VERSION: &str = "projects/p/locations/europe-west3/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1";
const ACCESS: &str = "ya29.canary-access";

pub(super) fn answer(state: &mut State, asked: &Asked) -> Reply {
    let operation = asked
        .path
        .strip_prefix("/v1/")
        .and_then(|path| path.strip_prefix(KEY));
    match (asked.method.as_str(), asked.path.as_str(), operation) {
        ("POST", "/token", _) => token(state, asked),
        ("GET", "/computeMetadata/v1/instance/service-accounts/default/token", _) => {
            let holds = asked.header("metadata-flavor") == "Google";
            if state.must(holds, "metadata: Metadata-Flavor is missing") {
                return given(state);
            }
            error(403, "PERMISSION_DENIED", "")
        }
        ("POST", _, Some(":encrypt")) => encrypt(state, asked),
        ("POST", _, Some(":decrypt")) => decrypt(state, asked),
        _ => error(404, "NOT_FOUND", "CryptoKey not found"),
    }
}

fn error(status: u16, word: &str, message: &str) -> Reply {
    Reply::json(
        status,
        &json!({"error": {"code": status, "message": message, "status": word}}),
    )
}

fn given(state: &mut State) -> Reply {
    state.sign_ins += 1;
    Reply::json(
        200,
        &json!({"access_token": ACCESS, "expires_in": LIFE, "token_type": "Bearer"}),
    )
}

fn token(state: &mut State, asked: &Asked) -> Reply {
    let form = asked.form();
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    let kind = asked.header("content-type");
    state.must(kind == "application/x-www-form-urlencoded", "OAuth: a form");
    let is_proved = match field("grant_type") {
        "urn:ietf:params:oauth:grant-type:jwt-bearer" => is_assertion(
            state,
            field("assertion"),
            &format!("http://{}/token", asked.header("host")),
        ),
        "refresh_token" => {
            field("client_id") == "client"
                && field("client_secret") == secrets::SHARED
                && field("refresh_token") == secrets::SHARED
        }
        _ => false,
    };
    if state.must(is_proved, "OAuth: nobody proved who they are") {
        return given(state);
    }
    Reply::json(
        400,
        &json!({"error": "invalid_grant", "error_description": "Invalid JWT Signature."}),
    )
}

/// A JWT (RFC 7519) of the service account for this audience, good for an hour at most.
fn is_assertion(state: &State, jwt: &str, audience: &str) -> bool {
    let check = || {
        let (header, claims) = state.keys.account.as_ref()?.read(jwt)?;
        let (from, until) = (claims["iat"].as_i64()?, claims["exp"].as_i64()?);
        Some(
            header["kid"] == "key-1"
                && claims["iss"] == "keystore@p.iam.gserviceaccount.com"
                && claims["aud"] == audience
                && claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"
                && until > from
                && until - from <= 3600,
        )
    };
    check().unwrap_or(false)
}

/// What both calls have in common: who asks, in what mood the service is, and that checksums fit what they are of.
fn begin(state: &mut State, asked: &Asked, members: [&str; 2]) -> Result<(Vec<u8>, Vec<u8>), Reply> {
    state.uses += 1;
    let holds = asked.header("authorization") == format!("Bearer {ACCESS}");
    if !state.must(holds, "KMS: no access token") {
        return Err(error(
            401,
            "UNAUTHENTICATED",
            "Request had invalid authentication credentials.",
        ));
    }
    let disabled = format!("{VERSION} is not enabled, current state is: DISABLED.");
    match state.mood {
        Mood::Failing => return Err(error(503, "UNAVAILABLE", "The service is currently unavailable.")),
        Mood::Throttled => return Err(error(429, "RESOURCE_EXHAUSTED", "Quota exceeded")),
        Mood::Denied => return Err(error(403, "PERMISSION_DENIED", "Permission denied on resource")),
        Mood::Disabled => return Err(error(400, "FAILED_PRECONDITION", &disabled)),
        _ => {}
    }
    let body = asked.json();
    let [data, sum] = members;
    let (aad, aad_sum) = ("additionalAuthenticatedData", "additionalAuthenticatedDataCrc32c");
    state.has_members(&body, &[data, sum, aad, aad_sum]);
    let bytes = |member: &str| {
        STANDARD
            .decode(body[member].as_str().unwrap_or_default())
            .unwrap_or_default()
    };
    let fits = |member: &str, sum: &str| {
        // An int64 is a text in Google's JSON.
        body[sum].as_str() == Some(crc32c(&bytes(member)).to_string().as_str())
    };
    let all_fit = fits(data, sum) && fits(aad, aad_sum);
    if !state.must(all_fit, "KMS: a checksum does not fit") {
        return Err(error(
            400,
            "INVALID_ARGUMENT",
            "The checksum in field did not match the data",
        ));
    }
    Ok((bytes(data), bytes(aad)))
}

fn encrypt(state: &mut State, asked: &Asked) -> Reply {
    let (plaintext, aad) = match begin(state, asked, ["plaintext", "plaintextCrc32c"]) {
        Ok(read) => read,
        Err(reply) => return reply,
    };
    let ciphertext = state.keys.encrypt(&plaintext, &aad);
    let damage = u32::from(state.mood == Mood::Damaged);
    Reply::json(
        200,
        &json!({
            "name": VERSION,
            "ciphertext": STANDARD.encode(&ciphertext),
            "ciphertextCrc32c": (crc32c(&ciphertext) ^ damage).to_string(),
            "verifiedPlaintextCrc32c": true,
            "verifiedAdditionalAuthenticatedDataCrc32c": true,
            "protectionLevel": "HSM",
        }),
    )
}

fn decrypt(state: &mut State, asked: &Asked) -> Reply {
    let (ciphertext, aad) = match begin(state, asked, ["ciphertext", "ciphertextCrc32c"]) {
        Ok(read) => read,
        Err(reply) => return reply,
    };
    let Some(plaintext) = state.keys.decrypt(&ciphertext, &aad) else {
        return error(
            400,
            "INVALID_ARGUMENT",
            "Decryption failed: verify that 'name' refers to the correct CryptoKey.",
        );
    };
    let damage = u32::from(state.mood == Mood::Damaged);
    Reply::json(
        200,
        &json!({
            "plaintext": STANDARD.encode(&plaintext),
            "plaintextCrc32c": (crc32c(&plaintext) ^ damage).to_string(),
            "usedPrimary": true,
            "protectionLevel": "HSM",
        }),
    )
}
