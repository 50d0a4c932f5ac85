//! Signing in: `POST /v1/auth/{signup,login,exchange,logout,refresh,switch-org}` and `GET /v1/auth/me`; and what links in mails are
//! for: `POST /v1/auth/{forgot-password,reset-password,send-verification,verify-email}`; and `POST /v1/auth/change-password`.
//!
//! A session is an opaque `kss_` value, sent as `Authorization: Bearer`; a management key (`ksm_`) goes in the same place.

use keystore_core::ids::{ApiKeyId, OrgId, ProjectId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::role::Role;
use crate::secret::SecretText;
use crate::time::Time;

/// `POST /v1/auth/signup`: a new person with a new organization.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"email": "ada@example.com", "password": "correct horse battery", "name": "Ada", "orgName": "Acme Inc"}))]
pub struct SignUp {
    /// The address to sign in with.
    pub email: String,
    /// At least ten characters.
    pub password: SecretText,
    /// The person's name.
    pub name: String,
    /// The organization's name; its slug is made from it.
    pub org_name: String,
}

/// `POST /v1/auth/login`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"email": "ada@example.com", "password": "correct horse battery"}))]
pub struct LogIn {
    /// The address.
    pub email: String,
    /// The password.
    pub password: SecretText,
}

/// `POST /v1/auth/exchange`: a sign-in link's code for a session. A code is good once, for ten minutes. Answers [`SignedIn`].
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exchange {
    /// The code from the link.
    pub code: SecretText,
}

/// `POST /v1/auth/switch-org`: from now on the session speaks for another organization of the same person. Answers [`Me`].
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SwitchOrg {
    /// The organization.
    #[schema(value_type = String, example = "org_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub org_id: OrgId,
}

/// The answer to signing up.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignedUp {
    /// The session, shown once.
    #[schema(example = "kss_…")]
    pub token: String,
    /// When the session ends unless it is refreshed.
    pub expires_at: Time,
    /// The person.
    pub user: User,
    /// The organization that was made.
    pub org: OrgRef,
}

/// The answer to signing in.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignedIn {
    /// The session, shown once.
    #[schema(example = "kss_…")]
    pub token: String,
    /// When the session ends unless it is refreshed.
    pub expires_at: Time,
    /// The person.
    pub user: User,
    /// The organization that the session speaks for.
    #[schema(value_type = String, example = "org_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub org_id: OrgId,
    /// Every organization that the person belongs to.
    pub orgs: Vec<Membership>,
}

/// The answer to `POST /v1/auth/refresh`: a new value for the same session; the old one ends at once.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refreshed {
    /// The new value.
    #[schema(example = "kss_…")]
    pub token: String,
    /// When it ends.
    pub expires_at: Time,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The id.
    #[schema(value_type = String, example = "usr_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: UserId,
    /// The address.
    #[schema(example = "ada@example.com")]
    pub email: String,
    /// The name.
    #[schema(example = "Ada")]
    pub name: String,
    /// Whether they confirmed their address. Where the server sends mails, who did not can look and change nothing.
    pub email_verified: bool,
}

/// An organization by its names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrgRef {
    /// The id.
    #[schema(value_type = String, example = "org_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: OrgId,
    /// The name.
    #[schema(example = "Acme Inc")]
    pub name: String,
    /// The name in URLs.
    #[schema(example = "acme-inc")]
    pub slug: String,
}

/// An organization and what the caller is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Membership {
    /// The organization's id.
    #[schema(value_type = String, example = "org_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: OrgId,
    /// Its name.
    #[schema(example = "Acme Inc")]
    pub name: String,
    /// Its name in URLs.
    #[schema(example = "acme-inc")]
    pub slug: String,
    /// The role in it.
    pub role: Role,
}

/// How a caller proved who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// A session.
    Session,
    /// A management key.
    ApiKey,
}

/// `GET /v1/auth/me`: who the caller is, and where the data plane is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Me {
    /// How it signed in.
    pub via: Via,
    /// The person; absent for a management key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
    /// The management key; absent for a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "key_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub api_key_id: Option<ApiKeyId>,
    /// The management key's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_name: Option<String>,
    /// The organization that the caller speaks for.
    pub org: OrgRef,
    /// The project that a management key is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "prj_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub project_id: Option<ProjectId>,
    /// The role.
    pub role: Role,
    /// Whether the organization requires a second factor that this session lacks: until one is set up, everything else is refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub second_factor_missing: bool,
    /// When the session or key ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// The data plane's address, without a trailing slash.
    #[schema(example = "http://127.0.0.1:8400")]
    pub proxy_url: String,
}

/// `POST /v1/auth/forgot-password`. The answer is the same whether the address is known or not.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"email": "ada@example.com"}))]
pub struct ForgotPassword {
    /// The address.
    pub email: String,
}

/// `POST /v1/auth/reset-password`: the code of a link is good once, for an hour. Every session of the person ends.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResetPassword {
    /// The code from the link.
    pub code: SecretText,
    /// The new password: at least ten characters.
    pub password: SecretText,
}

/// `POST /v1/auth/verify-email`: the code of a link is good once, for a day.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerifyEmail {
    /// The code from the link.
    pub code: SecretText,
}

/// `POST /v1/auth/change-password`: every other session of the person ends.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"password": "correct horse battery", "newPassword": "another horse battery"}))]
pub struct ChangePassword {
    /// The password until now.
    pub password: SecretText,
    /// The new one: at least ten characters.
    pub new_password: SecretText,
}
