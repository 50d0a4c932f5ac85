-- What requests with an `Idempotency-Key` were answered, without anything that is told once; and providers that an organization
-- defined for itself.

CREATE TABLE idempotency_keys (
    org        UUID NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    caller     UUID NOT NULL,
    idem_key   TEXT NOT NULL,
    request    BYTEA NOT NULL,
    status     BIGINT,
    answer     TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (org, caller, idem_key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

CREATE TABLE custom_providers (
    id         UUID NOT NULL PRIMARY KEY,
    org        UUID NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    slug       TEXT NOT NULL,
    policy     BYTEA NOT NULL,
    mac        BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (org, slug)
);
