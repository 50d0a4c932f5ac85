//! What tests stand on: a PostgreSQL cluster of their own, a clock and ids in their hand. Not shipped.

pub mod clock;
pub mod counts;
pub mod dice;
pub mod disk;
pub mod generated;
pub mod ids;
pub mod kms;
pub mod limits;
pub mod pg;
pub mod raw;
pub mod rsa;
pub mod upstream;
