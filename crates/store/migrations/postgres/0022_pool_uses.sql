-- How the pools are used, by hours since 1970-01-01 UTC. Calls that got no key have the credential of zeros.
CREATE TABLE pool_uses (
    hour        BIGINT NOT NULL,
    provider    TEXT NOT NULL,
    org         UUID NOT NULL,
    credential  UUID NOT NULL,
    granted     BIGINT NOT NULL,
    waited      BIGINT NOT NULL,
    waited_ms   BIGINT NOT NULL,
    refused     BIGINT NOT NULL,
    failed_over BIGINT NOT NULL,
    most_used   BIGINT NOT NULL,
    PRIMARY KEY (hour, provider, org, credential)
);
