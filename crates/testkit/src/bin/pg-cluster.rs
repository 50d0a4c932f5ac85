//! A PostgreSQL cluster of the tests' own, as a process: prints the URL of an empty database as its first line, and ends, cluster and
//! all, when its input ends.

#![expect(clippy::print_stdout, reason = "its first line is the URL")]

use std::error::Error;
use std::io::Read as _;

use keystore_testkit::pg::PgCluster;

fn main() -> Result<(), Box<dyn Error>> {
    let cluster = PgCluster::start()?;
    println!("{}", cluster.database()?);
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
