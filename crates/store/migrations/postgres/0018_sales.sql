-- What was sold of the operator's credentials by day: made from the journal, as the other projections are.
CREATE TABLE pool_sales (
    day         BIGINT NOT NULL,
    provider    TEXT NOT NULL,
    org         UUID NOT NULL,
    credential  UUID NOT NULL,
    calls       BIGINT NOT NULL,
    failed_over BIGINT NOT NULL,
    cost        BIGINT NOT NULL,
    vendor_cost BIGINT NOT NULL,
    PRIMARY KEY (day, provider, org, credential)
);
INSERT INTO watermarks (projection, seq) SELECT 'pool_sales', MIN(seq) FROM watermarks;
