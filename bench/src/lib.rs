//! What the benchmarks share: the load, and what it is sent to. Measures nothing by itself; see `README.md`.

pub mod load;
pub mod process;
