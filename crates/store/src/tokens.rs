//! Tokens of agents, found by the SHA-256 of their `ks_` value, which is all that is kept of it.

use keystore_core::Micros;
use keystore_core::ids::{AgentId, OrgId, ProjectId, TokenId};
use keystore_core::policy::TokenPolicy;
use keystore_core::token::TokenHash;

use crate::changes::Change;
use crate::db::{Conn, Tx, execute, fetch_all, fetch_optional, row, sql};
use crate::error::{StoreError, unique};

/// A token to be written: the policy, its MAC, and what is not part of it.
#[derive(Clone, Copy)]
pub struct NewToken<'a> {
    /// The organization of its agent.
    pub org: OrgId,
    /// Its name; may be empty.
    pub name: &'a str,
    /// The policy; id, hash and agent come from it.
    pub policy: &'a TokenPolicy,
    /// The MAC over `policy.canonical()`.
    pub mac: &'a [u8],
    /// When it is made or changed.
    pub at: Micros,
}

row! {
    /// A stored token.
    #[derive(Clone)]
    pub struct Token {
        /// Its id.
        pub id: TokenId,
        /// SHA-256 of its value.
        pub hash: TokenHash,
        /// The organization of its agent.
        pub org: OrgId,
        /// The agent it speaks for.
        pub agent: AgentId,
        /// Its name; may be empty.
        pub name: String,
        /// The policy's canonical bytes.
        pub policy: Vec<u8>,
        /// Their MAC.
        pub mac: Vec<u8>,
        /// From this time on it is refused, as in the policy.
        pub expires_at: Option<Micros>,
        /// When it was revoked.
        pub revoked_at: Option<Micros>,
        /// When it was made.
        pub created_at: Micros,
        /// When it was last used, to the minute or so.
        pub last_used_at: Option<Micros>,
    }
}

impl Token {
    /// The policy. It counts only if the MAC over [`Token::policy`] is right, which is the vault's to say.
    ///
    /// # Errors
    ///
    /// `Damaged`.
    pub fn decode(&self) -> Result<TokenPolicy, StoreError> {
        minicbor::decode(&self.policy).map_err(|error| StoreError::damaged(error.to_string()))
    }
}

sql! {
    INSERT = "INSERT INTO tokens (id, hash, org, agent, name, policy, mac, expires_at, created_at) \
        SELECT $1, $2, a.org, a.id, $5, $6, $7, $8, $9 FROM agents a WHERE a.org = $3 AND a.id = $4";
    UPDATE = "UPDATE tokens SET policy = $3, mac = $4, expires_at = $5, \
        revoked_at = CASE WHEN $6 THEN COALESCE(revoked_at, $7) ELSE NULL END WHERE org = $1 AND id = $2";
    GET = "SELECT id, hash, org, agent, name, policy, mac, expires_at, revoked_at, created_at, last_used_at \
        FROM tokens WHERE org = $1 AND id = $2";
    LIST = "SELECT id, hash, org, agent, name, policy, mac, expires_at, revoked_at, created_at, last_used_at \
        FROM tokens WHERE org = $1 AND agent = COALESCE($2, agent) AND id > $3 \
        AND agent IN (SELECT a.id FROM agents a WHERE a.org = $1 AND a.project = COALESCE($4, a.project)) ORDER BY id LIMIT $5";
    TOUCH = "UPDATE tokens SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)";
}

/// Adds a token. `false` when its agent is not in the organization.
///
/// # Errors
///
/// `Conflict` when the value exists, which does not happen by chance.
pub async fn insert(tx: &mut Tx, new: &NewToken<'_>) -> Result<bool, StoreError> {
    let policy = new.policy;
    let rows = execute!(
        tx,
        INSERT,
        policy.token,
        policy.hash,
        new.org,
        policy.agent,
        new.name,
        policy.canonical(),
        new.mac,
        policy.expires_at,
        new.at
    )
    .map_err(unique("a token with this value"))?;
    tx.changed(Change::Token(policy.token_hash()));
    Ok(rows == 1)
}

/// Writes the policy and its MAC: for revoking, and for an end that comes with a rotation. `false` when there is no such
/// token.
///
/// # Errors
///
/// `Unavailable`.
pub async fn update(tx: &mut Tx, changed: &NewToken<'_>) -> Result<bool, StoreError> {
    let policy = changed.policy;
    let rows = execute!(
        tx,
        UPDATE,
        changed.org,
        policy.token,
        policy.canonical(),
        changed.mac,
        policy.expires_at,
        policy.revoked,
        changed.at
    )?;
    tx.changed(Change::Token(policy.token_hash()));
    Ok(rows == 1)
}

/// The token.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn get(conn: &mut Conn, org: OrgId, id: TokenId) -> Result<Option<Token>, StoreError> {
    Ok(fetch_optional!(conn, Token, GET, org, id)?)
}

/// The tokens, oldest first, of one project or all, of one agent or all, from after `after` on, at most `limit`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn list(
    conn: &mut Conn,
    org: OrgId,
    project: Option<ProjectId>,
    agent: Option<AgentId>,
    after: Option<TokenId>,
    limit: u32,
) -> Result<Vec<Token>, StoreError> {
    let after = after.unwrap_or(TokenId::new(uuid::Uuid::nil()));
    Ok(fetch_all!(conn, Token, LIST, org, agent, after, project, limit)?)
}

/// Notes a use. No cache hears of it.
///
/// # Errors
///
/// `Unavailable`.
pub async fn touch(tx: &mut Tx, id: TokenId, at: Micros) -> Result<(), StoreError> {
    execute!(tx, TOUCH, id, at)?;
    Ok(())
}
