//! AWS: `Encrypt` and `Decrypt` of KMS (JSON 1.1), `AssumeRole…` of STS (query and XML), a container's endpoint, and IMDSv2.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keystore_core::hex;
use serde_json::{Value, json};

use super::crypto::{hmac, sha256_hex};
use super::{Asked, Mood, Reply, State, secrets};

/// The key, as Keystore names it.
pub(super) const KEY_NAME: &str =
    "aws:arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const ARN: &str = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const REGION: &str = "eu-central-1";
/// The token of temporary credentials.
const SESSION: &str = "canary-session-token";
const EXPIRATION: &str = "2999-01-01T00:00:00Z";

pub(super) fn answer(state: &mut State, asked: &Asked) -> Reply {
    match (asked.method.as_str(), asked.path.as_str()) {
        ("POST", "/") if asked.header("x-amz-target").is_empty() => sts(state, asked),
        ("POST", "/") => kms(state, asked),
        ("PUT", "/latest/api/token") => {
            let ttl = asked.header("x-aws-ec2-metadata-token-ttl-seconds");
            state.must(ttl.parse::<u32>().is_ok(), "IMDSv2: a token has a time to live");
            text(secrets::SHARED)
        }
        ("GET", "/latest/meta-data/iam/security-credentials/") => instance(state, asked, None),
        ("GET", "/latest/meta-data/iam/security-credentials/keystore-role") => {
            instance(state, asked, Some(()))
        }
        ("GET", "/container") => {
            let holds = asked.header("authorization") == secrets::SHARED;
            state.must(holds, "a container proves itself by its token");
            state.sign_ins += 1;
            Reply::json(200, &temporary())
        }
        _ => {
            state.must(false, &format!("AWS has no {} {}", asked.method, asked.path));
            error(404, "UnknownOperationException", "")
        }
    }
}

fn text(text: &str) -> Reply {
    Reply {
        status: 200,
        kind: "text/plain",
        body: text.to_owned(),
    }
}

fn temporary() -> Value {
    json!({"AccessKeyId": secrets::AWS.0, "SecretAccessKey": secrets::AWS.1, "Token": SESSION, "Expiration": EXPIRATION})
}

fn instance(state: &mut State, asked: &Asked, role: Option<()>) -> Reply {
    let holds = asked.header("x-aws-ec2-metadata-token") == secrets::SHARED;
    if !state.must(holds, "IMDSv2: every read carries the token") {
        return error(401, "Unauthorized", "");
    }
    match role {
        None => text("keystore-role"),
        Some(()) => {
            state.sign_ins += 1;
            Reply::json(200, &temporary())
        }
    }
}

fn error(status: u16, kind: &str, message: &str) -> Reply {
    Reply {
        status,
        kind: "application/x-amz-json-1.1",
        body: json!({"__type": kind, "message": message}).to_string(),
    }
}

/// Signature Version 4, computed from what arrived, by the steps of AWS's manual.
fn is_signed(asked: &Asked, service: &str) -> Option<bool> {
    let rest = asked.header("authorization").strip_prefix("AWS4-HMAC-SHA256 ")?;
    let part = |name: &str| {
        let found = rest.split(", ").find_map(|part| part.strip_prefix(name));
        found.and_then(|value| value.strip_prefix('='))
    };
    let (credential, signed, signature) = (part("Credential")?, part("SignedHeaders")?, part("Signature")?);
    let date = asked.header("x-amz-date");
    let day = date.get(..8)?;
    let scope = format!("{day}/{REGION}/{service}/aws4_request");
    if credential != format!("{}/{scope}", secrets::AWS.0) {
        return Some(false);
    }
    let names: Vec<&str> = signed.split(';').collect();
    let is_sorted = names.is_sorted();
    let needed = ["host", "x-amz-date"].iter().all(|name| names.contains(name));
    let token = asked.headers.contains_key("x-amz-security-token");
    let covers = !token || names.contains(&"x-amz-security-token");
    let headers: String = names
        .iter()
        .map(|name| format!("{name}:{}\n", asked.header(name).trim()))
        .collect();
    let canonical = format!("POST\n/\n\n{headers}\n{signed}\n{}", sha256_hex(&asked.body));
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
        sha256_hex(canonical.as_bytes())
    );
    let first = hmac(format!("AWS4{}", secrets::AWS.1).as_bytes(), day);
    let key = [REGION, service, "aws4_request"]
        .iter()
        .fold(first, |key, part| hmac(&key, part));
    Some(is_sorted && needed && covers && hex(&hmac(&key, &to_sign)) == signature)
}

fn kms(state: &mut State, asked: &Asked) -> Reply {
    state.uses += 1;
    if !state.must(
        is_signed(asked, "kms") == Some(true),
        "KMS: the signature does not fit",
    ) {
        return error(
            400,
            "InvalidSignatureException",
            "The request signature we calculated does not match",
        );
    }
    let token = asked.header("x-amz-security-token");
    state.must(
        token.is_empty() || token == SESSION,
        "KMS: an unknown session token",
    );
    let kind = asked.header("content-type");
    state.must(
        kind == "application/x-amz-json-1.1",
        "KMS: the type is application/x-amz-json-1.1",
    );
    match state.mood {
        Mood::Failing => return error(500, "KMSInternalException", ""),
        Mood::Throttled => return error(400, "ThrottlingException", "Rate exceeded"),
        Mood::Denied => {
            return error(
                400,
                "AccessDeniedException",
                "User: arn:aws:sts::1:assumed-role/r/s is not authorized",
            );
        }
        Mood::Disabled => return error(400, "DisabledException", &format!("{ARN} is disabled.")),
        _ => {}
    }
    let body = asked.json();
    let context = &body["EncryptionContext"];
    let is_flat = context
        .as_object()
        .is_some_and(|pairs| pairs.len() >= 2 && pairs.values().all(Value::is_string));
    state.must(is_flat, "KMS: the encryption context is an object of strings");
    if body["KeyId"] != ARN {
        return error(400, "NotFoundException", "Key does not exist");
    }
    // serde_json keeps members sorted, so the context has one form.
    let aad = context.to_string();
    let bytes = |member: &str| {
        STANDARD
            .decode(body[member].as_str().unwrap_or_default())
            .unwrap_or_default()
    };
    match asked.header("x-amz-target") {
        "TrentService.Encrypt" => {
            state.has_members(&body, &["KeyId", "Plaintext", "EncryptionContext"]);
            let plaintext = bytes("Plaintext");
            state.must(
                (1..=4096).contains(&plaintext.len()),
                "KMS: encrypts 1 to 4096 bytes",
            );
            let blob = STANDARD.encode(state.keys.encrypt(&plaintext, aad.as_bytes()));
            let blob = if state.mood == Mood::Damaged {
                "not base64!".to_owned()
            } else {
                blob
            };
            Reply::json(
                200,
                &json!({"CiphertextBlob": blob, "KeyId": ARN, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}),
            )
        }
        "TrentService.Decrypt" => {
            state.has_members(&body, &["KeyId", "CiphertextBlob", "EncryptionContext"]);
            match state.keys.decrypt(&bytes("CiphertextBlob"), aad.as_bytes()) {
                Some(plaintext) => Reply::json(
                    200,
                    &json!({"Plaintext": STANDARD.encode(plaintext), "KeyId": ARN, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}),
                ),
                None => error(400, "InvalidCiphertextException", ""),
            }
        }
        other => {
            state.must(false, &format!("KMS has no {other}"));
            error(400, "UnknownOperationException", "")
        }
    }
}

fn sts(state: &mut State, asked: &Asked) -> Reply {
    let form = asked.form();
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    state.must(field("Version") == "2011-06-15", "STS: the version is 2011-06-15");
    state.must(field("RoleArn").starts_with("arn:aws:iam::"), "STS: a role");
    let is_proved = match field("Action") {
        "AssumeRoleWithWebIdentity" => field("WebIdentityToken") == secrets::SHARED,
        "AssumeRole" => is_signed(asked, "sts") == Some(true),
        _ => false,
    };
    let action = field("Action").to_owned();
    if !state.must(is_proved, "STS: nobody proved who they are") {
        let body = "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidIdentityToken</Code><Message>no</Message></Error></ErrorResponse>";
        return Reply {
            status: 400,
            kind: "text/xml",
            body: body.to_owned(),
        };
    }
    state.sign_ins += 1;
    let (id, secret) = secrets::AWS;
    Reply {
        status: 200,
        kind: "text/xml",
        body: format!(
            "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><Credentials>\
             <AccessKeyId>{id}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{SESSION}</SessionToken>\
             <Expiration>{EXPIRATION}</Expiration></Credentials></{action}Result></{action}Response>"
        ),
    }
}
