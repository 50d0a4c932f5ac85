//! A PostgreSQL cluster of the tests' own: made in a temporary folder, stopped with the test process.
