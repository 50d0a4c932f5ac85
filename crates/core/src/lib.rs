//! Words, numbers and decisions.
//!
//! This crate holds what every other crate talks about: ids, money, usage, prices, policies, limits, and the pure
//! decisions over them. It does no I/O, starts no task, asks neither for the time nor for randomness, and knows no SQL and
//! no HTTP library: it is handed `now` and ids, and gives decisions back.

pub mod abuse;
pub mod audit;
pub mod budget;
pub mod circuit;
pub mod csv;
pub mod deny;
pub mod destination;
mod hex;
pub mod ids;
pub mod invoice;
pub mod ledger;
pub mod merkle;
pub mod money;
pub mod month;
pub mod policy;
pub mod pool;
pub mod price;
pub mod rate;
pub mod record;
pub mod rotation;
pub mod time;
pub mod token;
pub mod top_up;
pub mod unseen;
pub mod usage;
pub mod webhook;
pub mod window;
mod words;

pub use deny::Deny;
pub use hex::hex;
pub use ids::IdSource;
pub use money::NanoUsd;
pub use month::Month;
pub use time::{Clock, Micros};
pub use usage::{Bucket, Usage};
