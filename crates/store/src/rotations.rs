//! The rotations of pooled credentials' keys, and how far each is.

use std::time::Duration;

use keystore_core::Micros;
use keystore_core::ids::{CredentialId, OrgId, RotationId};
use keystore_core::rotation::{self, Driver, Step};

use crate::column::named;
use crate::db::{Conn, Tx, execute, fetch_all, fetch_optional, row, sql};
use crate::error::{StoreError, unique};

named!(Step {
    Mint = "mint",
    Verify = "verify",
    Promote = "promote",
    Overlap = "overlap",
    Drain = "drain",
    Revoke = "revoke",
    Sweep = "sweep",
    Done = "done",
    Undo = "undo",
    Undone = "undone"
});

row! {
    /// A rotation.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Rotation {
        /// Its id.
        pub id: RotationId,
        /// The operator's organization.
        pub org: OrgId,
        /// The provider's slug.
        pub provider: String,
        /// The credential whose key goes.
        pub old: CredentialId,
        /// The credential that takes its place, once there is one.
        pub new: Option<CredentialId>,
        /// Who makes and revokes the keys.
        pub driver: Driver,
        /// The credential that the vendor's API for keys takes.
        pub admin: Option<CredentialId>,
        /// Where the vendor keeps the keys.
        pub account: Option<String>,
        /// How far it is.
        pub step: Step,
        /// When the step began.
        pub since: Micros,
        /// How often something failed since then.
        pub failures: u32,
        /// Nothing is done before this time.
        pub not_before: Micros,
        /// How many seconds both keys serve.
        pub overlap_s: u32,
        /// The vendor's id of the old key.
        pub old_key: Option<String>,
        /// The vendor's id of the new key.
        pub new_key: Option<String>,
        /// What failed last, in words for the operator.
        pub problem: Option<String>,
        /// When it began.
        pub created_at: Micros,
        /// When it was over.
        pub ended_at: Option<Micros>,
    }
}

impl Rotation {
    /// What decides about it.
    pub fn state(&self) -> rotation::Rotation {
        rotation::Rotation {
            step: self.step,
            since: self.since,
            failures: self.failures,
            not_before: self.not_before,
            overlap: Duration::from_secs(self.overlap_s.into()),
            name: self.key_name(),
            old_key: self.old_key.clone(),
            new_key: self.new_key.clone(),
        }
    }

    /// The name of the new key at the vendor.
    pub fn key_name(&self) -> String {
        format!("keystore-{}", self.id)
    }

    /// The same rotation, further on.
    #[must_use]
    pub fn with(self, state: rotation::Rotation) -> Self {
        Self {
            step: state.step,
            since: state.since,
            failures: state.failures,
            not_before: state.not_before,
            new_key: state.new_key,
            ended_at: state.step.is_over().then_some(state.since),
            ..self
        }
    }
}

sql! {
    INSERT = "INSERT INTO rotations (id, org, provider, old, new, driver, admin, account, step, since, failures, not_before, \
            overlap_s, old_key, new_key, problem, created_at, ended_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)";
    ADVANCE = "UPDATE rotations SET new = $5, step = $6, since = $7, failures = $8, not_before = $9, new_key = $10, \
            problem = $11, ended_at = $12 \
        WHERE org = $1 AND id = $2 AND step = $3 AND failures = $4";
    GET = "SELECT * FROM rotations WHERE org = $1 AND id = $2";
    RUNNING = "SELECT * FROM rotations WHERE ended_at IS NULL ORDER BY id";
    RUNNING_OF = "SELECT * FROM rotations WHERE ended_at IS NULL AND org = $1 AND (old = $2 OR new = $2) ORDER BY id LIMIT 1";
    LIST = "SELECT * FROM rotations WHERE org = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
}

/// Begins a rotation.
///
/// # Errors
///
/// `Conflict` when one of the same credential is under way.
pub async fn insert(tx: &mut Tx, new: &Rotation) -> Result<(), StoreError> {
    execute!(
        tx,
        INSERT,
        new.id,
        new.org,
        new.provider,
        new.old,
        new.new,
        new.driver,
        new.admin,
        new.account,
        new.step,
        new.since,
        new.failures,
        new.not_before,
        new.overlap_s,
        new.old_key,
        new.new_key,
        new.problem,
        new.created_at,
        new.ended_at
    )
    .map_err(unique("a rotation of the credential that is under way"))?;
    Ok(())
}

/// Writes how far a rotation is by now; `from` is how it was read. `false` when somebody else moved it in between.
///
/// # Errors
///
/// `Unavailable`.
pub async fn advance(tx: &mut Tx, from: &Rotation, to: &Rotation) -> Result<bool, StoreError> {
    let rows = execute!(
        tx,
        ADVANCE,
        from.org,
        from.id,
        from.step,
        from.failures,
        to.new,
        to.step,
        to.since,
        to.failures,
        to.not_before,
        to.new_key,
        to.problem,
        to.ended_at
    )?;
    Ok(rows == 1)
}

/// A rotation.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn get(conn: &mut Conn, org: OrgId, id: RotationId) -> Result<Option<Rotation>, StoreError> {
    Ok(fetch_optional!(conn, Rotation, GET, org, id)?)
}

/// Those that are under way, oldest first.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn running(conn: &mut Conn) -> Result<Vec<Rotation>, StoreError> {
    Ok(fetch_all!(conn, Rotation, RUNNING)?)
}

/// The one that is under way and has to do with a credential, as the old or the new one.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn running_of(
    conn: &mut Conn,
    org: OrgId,
    credential: CredentialId,
) -> Result<Option<Rotation>, StoreError> {
    Ok(fetch_optional!(conn, Rotation, RUNNING_OF, org, credential)?)
}

/// The rotations, newest first, from before `before` on, at most `limit`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn list(
    conn: &mut Conn,
    org: OrgId,
    before: Option<RotationId>,
    limit: u32,
) -> Result<Vec<Rotation>, StoreError> {
    let before = before.unwrap_or(RotationId::new(uuid::Uuid::max()));
    Ok(fetch_all!(conn, Rotation, LIST, org, before, limit)?)
}
