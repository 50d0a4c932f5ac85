//! The data plane: one request, from accept to settle.

mod admit;
mod authenticate;
mod authorize;
mod body;
mod cache;
pub mod config;
pub mod counters;
mod forward;
mod inject;
pub mod listener;
pub mod meter;
pub mod parse;
mod probe;
mod refuse;
mod relay;
mod reserve;
mod resolve;
pub mod route;
pub mod scrub;
mod settle;
pub mod sse;
mod upstream;
