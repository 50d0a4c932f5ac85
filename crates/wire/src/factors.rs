//! Second factors of a person: `GET /v1/auth/factors`, `POST /v1/auth/totp…`, `POST /v1/auth/recovery-codes`, and the second step of a
//! sign-in, `POST /v1/auth/second-factor`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::passkeys::Passkey;
use crate::secret::SecretText;
use crate::time::Time;

/// What a person can prove beside their password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Factor {
    /// A one-time code of an app (RFC 6238).
    Totp,
    /// A passkey.
    Passkey,
    /// A recovery code, each good once.
    RecoveryCode,
}

/// What stands for a first step that was right: whoever has it and a second factor signs in. It is in no `Debug` output.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct ChallengeToken(pub String);

impl std::fmt::Debug for ChallengeToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChallengeToken")
    }
}

/// What the second step of a sign-in takes: the password was right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Challenge {
    /// To be sent with the factor.
    #[schema(value_type = String, example = "ksc_…")]
    pub token: ChallengeToken,
    /// Until when it holds: five minutes.
    pub expires_at: Time,
    /// Which factors the person has.
    pub factors: Vec<Factor>,
}

/// `POST /v1/auth/second-factor`: the second step of a sign-in.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"challenge": "ksc_…", "code": "123456"}))]
pub struct SecondFactor {
    /// The `token` of the challenge that the first step answered with.
    pub challenge: SecretText,
    /// The six digits that the app shows, or a recovery code.
    pub code: SecretText,
}

/// `GET /v1/auth/factors`: the second factors of the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Factors {
    /// Since when one-time codes are asked for; absent where they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totp_since: Option<Time>,
    /// Passkeys.
    pub passkeys: Vec<Passkey>,
    /// How many recovery codes are left.
    #[schema(example = 10)]
    pub recovery_codes_left: u64,
    /// Whether an organization of the caller requires a second factor.
    pub required: bool,
}

/// Proof that it is the person who asks, and not only their session: `POST /v1/auth/totp`, `/v1/auth/totp/remove` and
/// `/v1/auth/recovery-codes`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"password": "correct horse battery"}))]
pub struct WithPassword {
    /// The password.
    pub password: SecretText,
}

/// The answer to `POST /v1/auth/totp`: what the app is told. It counts once a code confirmed it.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TotpEnrolment {
    /// The key in base32, shown once.
    #[schema(example = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")]
    pub secret: String,
    /// The same for a picture that the app reads.
    #[schema(example = "otpauth://totp/Keystore:ada%40example.com?secret=…&issuer=Keystore")]
    pub uri: String,
}

/// `POST /v1/auth/totp/confirm`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"code": "123456"}))]
pub struct ConfirmTotp {
    /// The six digits that the app shows.
    pub code: SecretText,
}

/// Recovery codes, shown once: each is good once in place of the second factor. None where those before hold on.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryCodes {
    /// The codes.
    #[schema(example = json!(["4f2k-9wqe-x0tz-hm3a"]))]
    pub recovery_codes: Vec<String>,
}
