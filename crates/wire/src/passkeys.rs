//! Passkeys (WebAuthn): `POST /v1/auth/passkeys…` registers and removes them, `POST /v1/auth/passkey…` signs in with one.
//!
//! Bytes are base64url without padding, as in the JSON forms of the standard. What the members mean is said there
//! (<https://www.w3.org/TR/webauthn-3/>).

use keystore_core::ids::PasskeyId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::secret::SecretText;
use crate::time::Time;

/// A passkey of the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Passkey {
    /// The id.
    #[schema(value_type = String, example = "psk_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: PasskeyId,
    /// What its owner calls it.
    #[schema(example = "Laptop")]
    pub name: String,
    /// Whether it is on several devices, as it says.
    pub backed_up: bool,
    /// When it was registered.
    pub created_at: Time,
    /// When it was last used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Time>,
}

/// The answer to `POST /v1/auth/passkeys/begin`: what `navigator.credentials.create` is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasskeyCreation {
    /// The challenge; it holds for five minutes.
    #[schema(example = "q83vASNFZ4mrze8BI0VniQ")]
    pub challenge: String,
    /// The domain that the passkey is for.
    #[schema(example = "keystore.example")]
    pub rp_id: String,
    /// The origin of the page that must ask.
    #[schema(example = "https://keystore.example")]
    pub origin: String,
    /// The person, as the authenticator keeps them.
    #[schema(example = "AZNbE3hJQ3OUkZs1lpVZxA")]
    pub user_id: String,
    /// Their address.
    #[schema(example = "ada@example.com")]
    pub user_name: String,
    /// Their name.
    #[schema(example = "Ada")]
    pub user_display_name: String,
    /// The algorithms that are taken, the best first (COSE).
    #[schema(example = json!([-7, -8, -257]))]
    pub algorithms: Vec<i64>,
    /// The ids of passkeys that there are already.
    pub exclude: Vec<String>,
}

/// `POST /v1/auth/passkeys`: what the authenticator answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"name": "Laptop", "clientData": "eyJ0eXBlIjoi…", "attestation": "o2NmbXRkbm9uZ…"}))]
pub struct AddPasskey {
    /// What it is called.
    pub name: String,
    /// `clientDataJSON`.
    pub client_data: String,
    /// `attestationObject`, of the format `none`.
    pub attestation: String,
}

/// The answer to it.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AddedPasskey {
    /// The passkey.
    pub passkey: Passkey,
    /// Recovery codes, shown once, where this is the first factor; otherwise none, and those before hold.
    pub recovery_codes: Vec<String>,
}

/// `POST /v1/auth/passkey/begin`. With the challenge of a first step, a passkey is its second one.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"challenge": "ksc_…"}))]
pub struct BeginPasskey {
    /// The `token` of the challenge that the first step answered with.
    #[serde(default)]
    pub challenge: Option<SecretText>,
}

/// The answer to it: what `navigator.credentials.get` is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasskeyRequest {
    /// The challenge; it holds for five minutes.
    #[schema(example = "q83vASNFZ4mrze8BI0VniQ")]
    pub challenge: String,
    /// The domain that the passkey is for.
    #[schema(example = "keystore.example")]
    pub rp_id: String,
    /// The origin of the page that must ask.
    #[schema(example = "https://keystore.example")]
    pub origin: String,
    /// The ids that are asked for; none for a sign-in with a passkey alone, where the authenticator knows whose it is.
    pub allow: Vec<String>,
    /// Whether it must be verified who is there.
    pub user_verification: bool,
}

/// `POST /v1/auth/passkey`: what the authenticator answered, for a session.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"id": "Zm9vYmFy", "clientData": "eyJ0eXBlIjoi…", "authenticatorData": "SZYN5YgO…",
    "signature": "MEUCIQ…", "userHandle": "AZNbE3hJQ3OUkZs1lpVZxA"}))]
pub struct UsePasskey {
    /// The `token` of the challenge that the first step answered with, where there was one.
    #[serde(default)]
    pub challenge: Option<SecretText>,
    /// `rawId`.
    pub id: String,
    /// `clientDataJSON`.
    pub client_data: String,
    /// `authenticatorData`.
    pub authenticator_data: String,
    /// `signature`.
    pub signature: String,
    /// `userHandle`; needed where there was no first step.
    #[serde(default)]
    pub user_handle: Option<String>,
}
