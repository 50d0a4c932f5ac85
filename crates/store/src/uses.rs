//! When credentials and tokens were last used, as the requests tell. A job notes it now and then; the request path never does.

use std::collections::HashMap;

use keystore_core::Micros;
use keystore_core::ids::{CredentialId, TokenId};
use keystore_core::record::Ending;

use crate::db::{Conn, Tx, fetch_all, fetch_one, sql};
use crate::error::StoreError;
use crate::requests::RequestRow;
use crate::{credentials, tokens};

/// Rows that are read at once.
const PAGE: i64 = 1000;

sql! {
    NEWEST = "SELECT CAST(COALESCE(MAX(seq), 0) AS BIGINT) FROM requests";
    ROWS = "SELECT seq, body FROM requests WHERE seq > $1 AND seq <= $2 ORDER BY seq";
}

/// The last use of each credential and token.
#[derive(Debug, Default)]
pub struct Uses {
    credentials: HashMap<CredentialId, Micros>,
    tokens: HashMap<TokenId, Micros>,
}

impl Uses {
    /// A token is used by whatever it is presented for; a credential by what was, or may have been, sent with it for an agent.
    fn add(&mut self, row: &RequestRow) {
        let latest = |at: &mut Micros| *at = (*at).max(row.at);
        self.tokens.entry(row.token).and_modify(latest).or_insert(row.at);
        let of_an_agent = row.operation.as_deref() != Some("credential.verify");
        if let Some(credential) = row
            .credential
            .filter(|_| of_an_agent && row.ending != Some(Ending::NotSent))
        {
            self.credentials
                .entry(credential)
                .and_modify(latest)
                .or_insert(row.at);
        }
    }
}

/// The number of the newest request.
///
/// # Errors
///
/// `Unavailable`.
pub async fn newest(conn: &mut Conn) -> Result<i64, StoreError> {
    let (newest,) = fetch_one!(conn, (i64,), NEWEST)?;
    Ok(newest)
}

/// The uses of the requests behind number `from` up to `to`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn read(conn: &mut Conn, from: i64, to: i64) -> Result<Uses, StoreError> {
    let mut uses = Uses::default();
    let mut after = from;
    while after < to {
        let until = to.min(after.saturating_add(PAGE));
        for row in fetch_all!(conn, (i64, Vec<u8>), ROWS, after, until)? {
            uses.add(&RequestRow::read(row)?);
        }
        after = until;
    }
    Ok(uses)
}

/// Notes the uses. One that is older than what is noted changes nothing.
///
/// # Errors
///
/// `Unavailable`.
pub async fn note(tx: &mut Tx, uses: &Uses) -> Result<(), StoreError> {
    for (credential, at) in &uses.credentials {
        credentials::touch(tx, *credential, *at).await?;
    }
    for (token, at) in &uses.tokens {
        tokens::touch(tx, *token, *at).await?;
    }
    Ok(())
}
