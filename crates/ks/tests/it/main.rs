//! The real binary: its help, its exit codes, programs run by it, and the newcomer's whole flow against `ks dev`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod audit;
mod completions;
mod flow;
mod home;
mod kill;
mod man;
mod people;
mod run;
mod usage;
