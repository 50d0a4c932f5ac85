//! The server's integration tests: one binary, its tree mirrors the URLs.

#![expect(
    clippy::disallowed_methods,
    reason = "tests spawn the server and read which database to use"
)]

mod api;
mod architecture;
mod attack;
mod dev;
mod exchange;
mod openapi;
mod proxy;
mod sandbox;
mod support;
