//! A credential that takes the place of another: the same in all but its name, its secret and its age.

use keystore_core::ids::CredentialId;
use keystore_store::Conn;
use keystore_store::credentials::{self, Credential, CredentialStatus, CredentialVersion};
use keystore_vault::intake::Given;

use super::sealing::{Sealing, active_kek, destination, seal, take_in};
use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::providers;

/// So many names are tried.
const MOST_NAMES: u32 = 10_000;

/// Seals a secret as the successor of `old`. What comes out is to be stored.
///
/// # Errors
/// `invalid_request`, `sealed`.
pub(crate) async fn successor(
    app: &App,
    old: &Credential,
    secret: Given,
) -> ApiResult<(Credential, CredentialVersion)> {
    let now = app.clock.now();
    let mut conn = app.store.read().await?;
    let provider = providers::find(app, &mut conn, old.org, &old.provider).await?;
    let kek = active_kek(&mut conn, old.org).await?;
    let name = free_name(&mut conn, old).await?;
    drop(conn);
    let policy = destination(app, &provider, &old.params, old.base_url.as_deref())?;
    let secret = take_in(secret, &provider)?;
    let id = CredentialId::new(app.ids.next());
    let sealing = Sealing {
        org: old.org,
        id,
        version: 1,
        provider: &provider,
        source: old.source,
        policy: &policy,
    };
    let version = seal(app, &kek, &sealing, &secret, now).await?;
    let row = Credential {
        id,
        name,
        status: CredentialStatus::Untested,
        current_version: 1,
        expires_at: None,
        rotate_after: None,
        last_used_at: None,
        tested_at: None,
        created_at: now,
        updated_at: now,
        ..old.clone()
    };
    Ok((row, version))
}

/// `main`, `main r2`, `main r3`, …: the next that is free.
async fn free_name(conn: &mut Conn, old: &Credential) -> ApiResult<String> {
    let (stem, number) = numbered(&old.name);
    for number in number + 1..number + MOST_NAMES {
        let name = format!("{stem} r{number}");
        let taken = credentials::by_name(conn, old.org, old.project, &old.provider, &name).await?;
        if taken.is_none() {
            return Ok(name);
        }
    }
    Err(ApiError::field("/name", "no name is free for the new credential"))
}

/// A name without the number of its rotation, and that number.
fn numbered(name: &str) -> (&str, u32) {
    let parts = name.rsplit_once(" r");
    let number = parts.and_then(|(stem, number)| Some((stem, number.parse().ok()?)));
    number.unwrap_or((name, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_counts_on() {
        assert_eq!(numbered("main"), ("main", 1));
        assert_eq!(numbered("main r2"), ("main", 2));
        assert_eq!(numbered("our rs"), ("our rs", 1));
    }
}
