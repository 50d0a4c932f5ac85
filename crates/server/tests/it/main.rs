//! The server's integration tests: one binary, its tree mirrors the URLs.

mod architecture;
mod sandbox;
