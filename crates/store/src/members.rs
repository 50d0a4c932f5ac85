//! Who belongs to an organization, and in which role. What a role may do is the control plane's table.

use keystore_core::Micros;
use keystore_core::ids::{OrgId, UserId};

use crate::column::named;
use crate::db::{Conn, Tx, execute, fetch_all, fetch_one, fetch_optional, row, sql};
use crate::error::{StoreError, unique};

/// The role of a member or of a management key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything, the organization itself included.
    Owner,
    /// Everything but the organization itself and its billing.
    Admin,
    /// Agents, tokens and budgets.
    Member,
    /// Money.
    Billing,
    /// Looks.
    Viewer,
}

impl Role {
    /// The name in the API and in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Member => "member",
            Self::Billing => "billing",
            Self::Viewer => "viewer",
        }
    }
}

named!(Role {
    Owner = "owner",
    Admin = "admin",
    Member = "member",
    Billing = "billing",
    Viewer = "viewer"
});

row! {
    /// A member of an organization.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Member {
        /// The organization.
        pub org: OrgId,
        /// The person.
        pub user_id: UserId,
        /// The role.
        pub role: Role,
        /// Since when.
        pub created_at: Micros,
    }
}

row! {
    /// A member with what is known about the person.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Person {
        /// The person.
        pub user_id: UserId,
        /// Their address.
        pub email: String,
        /// Their name.
        pub name: String,
        /// Their role.
        pub role: Role,
        /// Since when.
        pub created_at: Micros,
    }
}

sql! {
    INSERT = "INSERT INTO members (org, user_id, role, created_at) VALUES ($1, $2, $3, $4)";
    GET = "SELECT org, user_id, role, created_at FROM members WHERE org = $1 AND user_id = $2";
    PERSON = "SELECT m.user_id, u.email, u.name, m.role, m.created_at FROM members m JOIN users u ON u.id = m.user_id \
        WHERE m.org = $1 AND m.user_id = $2";
    BY_EMAIL = "SELECT m.user_id, u.email, u.name, m.role, m.created_at FROM members m JOIN users u ON u.id = m.user_id \
        WHERE m.org = $1 AND u.email = $2";
    LIST = "SELECT m.user_id, u.email, u.name, m.role, m.created_at FROM members m JOIN users u ON u.id = m.user_id \
        WHERE m.org = $1 AND m.user_id > $2 ORDER BY m.user_id LIMIT $3";
    OF_USER = "SELECT org, user_id, role, created_at FROM members WHERE user_id = $1 ORDER BY created_at, org";
    SET_ROLE = "UPDATE members SET role = $3 WHERE org = $1 AND user_id = $2";
    DELETE = "DELETE FROM members WHERE org = $1 AND user_id = $2";
    OWNERS = "SELECT COUNT(*) FROM members WHERE org = $1 AND role = 'owner'";
}

/// Adds a member.
///
/// # Errors
///
/// `Conflict` when the person is a member already.
pub async fn insert(tx: &mut Tx, new: &Member) -> Result<(), StoreError> {
    execute!(tx, INSERT, new.org, new.user_id, new.role, new.created_at)
        .map_err(unique("a membership of this person"))?;
    Ok(())
}

/// The membership of a person in an organization.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn get(conn: &mut Conn, org: OrgId, user: UserId) -> Result<Option<Member>, StoreError> {
    Ok(fetch_optional!(conn, Member, GET, org, user)?)
}

/// The members of an organization from after `after` on, at most `limit`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn list(
    conn: &mut Conn,
    org: OrgId,
    after: Option<UserId>,
    limit: u32,
) -> Result<Vec<Person>, StoreError> {
    let after = after.unwrap_or(UserId::new(uuid::Uuid::nil()));
    Ok(fetch_all!(conn, Person, LIST, org, after, limit)?)
}

/// The member, with what is known about the person.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn person(conn: &mut Conn, org: OrgId, user: UserId) -> Result<Option<Person>, StoreError> {
    Ok(fetch_optional!(conn, Person, PERSON, org, user)?)
}

/// The member with this address (in lower case).
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn by_email(conn: &mut Conn, org: OrgId, email: &str) -> Result<Option<Person>, StoreError> {
    Ok(fetch_optional!(conn, Person, BY_EMAIL, org, email)?)
}

/// The organizations that a person belongs to, the oldest membership first.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn of_user(conn: &mut Conn, user: UserId) -> Result<Vec<Member>, StoreError> {
    Ok(fetch_all!(conn, Member, OF_USER, user)?)
}

/// Writes the role. `false` when the person is no member. That an owner remains is the caller's check ([`owners`]), in the same
/// transaction, which holds the organization ([`crate::orgs::hold`]).
///
/// # Errors
///
/// `Unavailable`.
pub async fn set_role(tx: &mut Tx, org: OrgId, user: UserId, role: Role) -> Result<bool, StoreError> {
    Ok(execute!(tx, SET_ROLE, org, user, role)? == 1)
}

/// Takes the membership away.
///
/// # Errors
///
/// `Unavailable`.
pub async fn delete(tx: &mut Tx, org: OrgId, user: UserId) -> Result<bool, StoreError> {
    Ok(execute!(tx, DELETE, org, user)? == 1)
}

/// How many owners the organization has.
///
/// # Errors
///
/// `Unavailable`.
pub async fn owners(conn: &mut Conn, org: OrgId) -> Result<u64, StoreError> {
    let (count,) = fetch_one!(conn, (i64,), OWNERS, org)?;
    Ok(u64::try_from(count).unwrap_or(0))
}
