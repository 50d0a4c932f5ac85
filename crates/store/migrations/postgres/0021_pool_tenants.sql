-- What the operator says of a customer inside a pool, and of a pool as a whole: policies with their MACs.
CREATE TABLE pool_tenants (
    provider   TEXT NOT NULL,
    org        UUID NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    policy     BYTEA NOT NULL,
    mac        BYTEA NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (provider, org)
);

CREATE TABLE pool_rules (
    provider   TEXT NOT NULL PRIMARY KEY,
    policy     BYTEA NOT NULL,
    mac        BYTEA NOT NULL,
    updated_at BIGINT NOT NULL
);
