//! Open invitations to join an organization: found by the SHA-256 of the link's code. One that was taken up or withdrawn is
//! deleted.

use keystore_core::Micros;
use keystore_core::ids::{InvitationId, OrgId, UserId};

use crate::db::{Conn, Tx, execute, fetch_all, fetch_optional, row, sql};
use crate::error::{StoreError, unique};
use crate::members::Role;

row! {
    /// An open invitation.
    #[derive(Clone)]
    pub struct Invitation {
        /// Its id.
        pub id: InvitationId,
        /// The organization.
        pub org: OrgId,
        /// Who is invited: an address in lower case.
        pub email: String,
        /// The role they will have.
        pub role: Role,
        /// SHA-256 of the link's code.
        pub hash: [u8; 32],
        /// The person who answers for it.
        pub invited_by: Option<UserId>,
        /// When it was made.
        pub created_at: Micros,
        /// When it ends.
        pub expires_at: Micros,
    }
}

sql! {
    INSERT = "INSERT INTO invitations (id, org, email, role, hash, invited_by, created_at, expires_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    GET = "SELECT * FROM invitations WHERE org = $1 AND id = $2";
    OF_EMAIL = "SELECT * FROM invitations WHERE org = $1 AND email = $2";
    BY_HASH = "SELECT * FROM invitations WHERE hash = $1 AND expires_at > $2";
    LIST = "SELECT * FROM invitations WHERE org = $1 AND id > $2 ORDER BY id LIMIT $3";
    OF_INVITER = "SELECT * FROM invitations WHERE org = $1 AND invited_by = $2 ORDER BY id";
    DELETE = "DELETE FROM invitations WHERE org = $1 AND id = $2";
    DELETE_EXPIRED = "DELETE FROM invitations WHERE expires_at <= $1";
}

/// Adds an invitation.
///
/// # Errors
///
/// `Conflict` when there is one for the same address, which may have ended.
pub async fn insert(tx: &mut Tx, new: &Invitation) -> Result<(), StoreError> {
    execute!(
        tx,
        INSERT,
        new.id,
        new.org,
        new.email,
        new.role,
        new.hash,
        new.invited_by,
        new.created_at,
        new.expires_at
    )
    .map_err(unique("an invitation of this address"))?;
    Ok(())
}

/// The invitation.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn get(conn: &mut Conn, org: OrgId, id: InvitationId) -> Result<Option<Invitation>, StoreError> {
    Ok(fetch_optional!(conn, Invitation, GET, org, id)?)
}

/// The invitation of an address, which may have ended.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn of_email(conn: &mut Conn, org: OrgId, email: &str) -> Result<Option<Invitation>, StoreError> {
    Ok(fetch_optional!(conn, Invitation, OF_EMAIL, org, email)?)
}

/// The invitation whose link has this hash, unless it ended.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn by_hash(
    conn: &mut Conn,
    hash: &[u8; 32],
    now: Micros,
) -> Result<Option<Invitation>, StoreError> {
    Ok(fetch_optional!(conn, Invitation, BY_HASH, hash, now)?)
}

/// The invitations of an organization, oldest first, from after `after` on, at most `limit`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn list(
    conn: &mut Conn,
    org: OrgId,
    after: Option<InvitationId>,
    limit: u32,
) -> Result<Vec<Invitation>, StoreError> {
    let after = after.unwrap_or(InvitationId::new(uuid::Uuid::nil()));
    Ok(fetch_all!(conn, Invitation, LIST, org, after, limit)?)
}

/// The invitations that a person answers for.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn of_inviter(conn: &mut Conn, org: OrgId, user: UserId) -> Result<Vec<Invitation>, StoreError> {
    Ok(fetch_all!(conn, Invitation, OF_INVITER, org, user)?)
}

/// Takes the invitation away: `false` when somebody else did.
///
/// # Errors
///
/// `Unavailable`.
pub async fn delete(tx: &mut Tx, org: OrgId, id: InvitationId) -> Result<bool, StoreError> {
    Ok(execute!(tx, DELETE, org, id)? == 1)
}

/// Deletes the invitations that nobody took up in time. Gives how many.
///
/// # Errors
///
/// `Unavailable`.
pub async fn delete_expired(tx: &mut Tx, now: Micros) -> Result<u64, StoreError> {
    Ok(execute!(tx, DELETE_EXPIRED, now)?)
}
