-- How the pools are used, by hours since 1970-01-01 UTC. Calls that got no key have the credential of zeros.
CREATE TABLE pool_uses (
    hour        INTEGER NOT NULL,
    provider    TEXT NOT NULL,
    org         BLOB NOT NULL,
    credential  BLOB NOT NULL,
    granted     INTEGER NOT NULL,
    waited      INTEGER NOT NULL,
    waited_ms   INTEGER NOT NULL,
    refused     INTEGER NOT NULL,
    failed_over INTEGER NOT NULL,
    most_used   INTEGER NOT NULL,
    PRIMARY KEY (hour, provider, org, credential)
) STRICT;
