-- What the operator says of a customer inside a pool, and of a pool as a whole: policies with their MACs.
CREATE TABLE pool_tenants (
    provider   TEXT NOT NULL,
    org        BLOB NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    policy     BLOB NOT NULL,
    mac        BLOB NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (provider, org)
) STRICT;

CREATE TABLE pool_rules (
    provider   TEXT NOT NULL PRIMARY KEY,
    policy     BLOB NOT NULL,
    mac        BLOB NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
