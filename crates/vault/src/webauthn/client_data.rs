//! Client data (5.8.1): what the browser says of the page that asked.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::{Party, PasskeyError};

/// The members that are looked at. A browser may add others.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
    top_origin: Option<String>,
}

impl ClientData {
    pub(super) fn parse(json: &[u8]) -> Result<Self, PasskeyError> {
        serde_json::from_slice(json).map_err(|_| PasskeyError::Form)
    }

    pub(super) fn challenge(&self) -> Result<Vec<u8>, PasskeyError> {
        URL_SAFE_NO_PAD
            .decode(&self.challenge)
            .map_err(|_| PasskeyError::Form)
    }

    /// That it was made for this, on a page of ours that was in no frame of another origin.
    pub(super) fn check(&self, kind: &str, party: &Party) -> Result<(), PasskeyError> {
        if self.kind != kind {
            return Err(PasskeyError::Ceremony);
        }
        match self.origin == party.origin && !self.cross_origin && self.top_origin.is_none() {
            true => Ok(()),
            false => Err(PasskeyError::Origin),
        }
    }
}
