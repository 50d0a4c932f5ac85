//! The server's integration tests: one binary, its tree mirrors the URLs.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests spawn the server, read which database to use, and may fail anywhere"
)]

mod api;
mod architecture;
mod attack;
mod audit;
mod backup;
mod billing;
mod dev;
mod exchange;
mod faults;
mod keks;
mod mail;
mod openapi;
mod proxy;
mod reminders;
mod rotations;
mod sandbox;
mod support;
mod webhooks;
