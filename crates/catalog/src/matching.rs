//! Which operation a request is.

use keystore_core::policy::Access;

use crate::provider::{Billing, Operation, UsageShape};

/// A known operation, or what holds for one that is not listed (named `other`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationMatch<'a> {
    /// The operation of the catalog, if it is listed.
    pub operation: Option<&'a Operation>,
    /// Its name, or `other`.
    pub name: &'a str,
    /// Whether it reads or writes.
    pub access: Access,
    /// How it is charged.
    pub billing: Billing,
    /// How its usage is read.
    pub usage_shape: UsageShape,
    /// Whether it makes or shows credentials: refused to everyone.
    pub minting: bool,
    /// The largest request body, in bytes, where the catalog says.
    pub max_body_bytes: Option<u64>,
    /// The price row, where the request does not name a model.
    pub price_model: Option<&'a str>,
    /// Whether it is a WebSocket.
    pub websocket: bool,
}

impl Operation {
    /// The model in `path`, where the pattern has a `{model}`; as it stands there, not percent-decoded.
    pub fn model_in_path<'p>(&self, _path: &'p str) -> Option<&'p str> {
        todo!()
    }
}
