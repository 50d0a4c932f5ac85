//! Who belongs to the caller's organization: `/v1/members`, `/v1/invitations`, `POST /v1/org/{leave,transfer}`,
//! `POST /v1/auth/accept-invitation`.

use keystore_core::ids::{InvitationId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api_keys::ApiKey;
use crate::role::Role;
use crate::secret::SecretText;
use crate::time::Time;

/// A member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The person.
    #[schema(value_type = String, example = "usr_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub user_id: UserId,
    /// Their address.
    #[schema(example = "ada@example.com")]
    pub email: String,
    /// Their name.
    #[schema(example = "Ada")]
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Since when.
    pub created_at: Time,
}

/// `PATCH /v1/members/{member}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"role": "viewer"}))]
pub struct UpdateMember {
    /// What they may do from now on.
    pub role: Role,
}

/// The answer to taking rights away: what the person had handed out goes with them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberChange {
    /// The member, as they are now or were last.
    pub member: Member,
    /// Management keys that were revoked, because they could do more than the person who answers for them.
    pub revoked_api_keys: Vec<ApiKey>,
    /// Invitations that were withdrawn for the same reason.
    pub withdrawn_invitations: Vec<Invitation>,
}

/// An open invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Invitation {
    /// The id.
    #[schema(value_type = String, example = "ivt_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: InvitationId,
    /// Who is invited.
    #[schema(example = "grace@example.com")]
    pub email: String,
    /// The role they will have.
    pub role: Role,
    /// The person who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "usr_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub invited_by: Option<UserId>,
    /// When it was made.
    pub created_at: Time,
    /// When it ends.
    pub expires_at: Time,
}

/// `POST /v1/invitations`. The link goes to the address, by mail; it is in no answer. A second invitation of an address takes the
/// place of the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"email": "grace@example.com", "role": "member"}))]
pub struct CreateInvitation {
    /// Who is invited.
    pub email: String,
    /// The role they will have. Nobody can give more than they hold.
    pub role: Role,
}

/// `POST /v1/auth/accept-invitation`. Somebody who has an account proves it with their password; somebody who has none chooses one.
/// Answers [`SignedIn`](crate::auth::SignedIn).
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AcceptInvitation {
    /// The code from the link: good once, for seven days.
    pub code: SecretText,
    /// Their password, or a new one of at least ten characters.
    pub password: SecretText,
    /// Their name, for a new account.
    #[serde(default)]
    #[schema(example = "Ada Lovelace")]
    pub name: Option<String>,
    /// The code of their app, or a recovery code, for an account that has a second factor.
    #[serde(default)]
    pub second_factor: Option<SecretText>,
}

/// `POST /v1/org/transfer`: another member becomes the owner, and the caller an admin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TransferOrg {
    /// Who will own it.
    #[schema(value_type = String, example = "usr_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub user_id: UserId,
}
