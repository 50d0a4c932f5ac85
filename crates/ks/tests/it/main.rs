//! The real binary: its help, its exit codes, programs run by it, and the newcomer's whole flow against `ks dev`.

mod flow;
mod home;
mod run;
mod usage;
