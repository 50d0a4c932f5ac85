-- What was sold of the operator's credentials by day: made from the journal, as the other projections are.
CREATE TABLE pool_sales (
    day         INTEGER NOT NULL,
    provider    TEXT NOT NULL,
    org         BLOB NOT NULL,
    credential  BLOB NOT NULL,
    calls       INTEGER NOT NULL,
    failed_over INTEGER NOT NULL,
    cost        INTEGER NOT NULL,
    vendor_cost INTEGER NOT NULL,
    PRIMARY KEY (day, provider, org, credential)
) STRICT, WITHOUT ROWID;
INSERT INTO watermarks (projection, seq) SELECT 'pool_sales', MIN(seq) FROM watermarks;
