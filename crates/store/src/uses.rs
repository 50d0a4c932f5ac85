//! When credentials and tokens were last used, as the requests tell. A job notes it now and then; the request path never does.

use std::collections::HashMap;

use keystore_core::Micros;
use keystore_core::ids::{CredentialId, TokenId};

use crate::db::{Conn, Tx};
use crate::error::StoreError;
use crate::requests::page::Call;
use crate::{credentials, requests, tokens};

/// The last use of each credential and token.
#[derive(Debug, Default)]
pub struct Uses {
    credentials: HashMap<CredentialId, Micros>,
    tokens: HashMap<TokenId, Micros>,
}

impl Uses {
    /// A token is used by whatever it is presented for; a credential by what was, or may have been, sent with it for an agent.
    fn add(&mut self, call: &Call<'_>) {
        let (token, at) = match call {
            Call::Ended(intent, _) => (intent.token, intent.at),
            Call::Refused(refusal) => (refusal.token, refusal.at),
        };
        let latest = |noted: &mut Micros| *noted = (*noted).max(at);
        self.tokens.entry(token).and_modify(latest).or_insert(at);
        if let Call::Ended(intent, outcome) = call
            && intent.operation != "credential.verify"
            && !outcome.ending.is_void()
        {
            self.credentials
                .entry(intent.credential)
                .and_modify(latest)
                .or_insert(at);
        }
    }
}

/// The uses of the requests behind number `from` up to `to`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn read(conn: &mut Conn, from: i64, to: i64) -> Result<Uses, StoreError> {
    let mut uses = Uses::default();
    requests::each_between(conn, from, to, |_, call| uses.add(call)).await?;
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
