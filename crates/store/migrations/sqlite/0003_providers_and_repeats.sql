-- What requests with an `Idempotency-Key` were answered, without anything that is told once; and providers that an organization
-- defined for itself.

CREATE TABLE idempotency_keys (
    org        BLOB NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    caller     BLOB NOT NULL,
    idem_key   TEXT NOT NULL,
    request    BLOB NOT NULL,
    status     INTEGER,
    answer     TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (org, caller, idem_key)
) STRICT;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

CREATE TABLE custom_providers (
    id         BLOB NOT NULL PRIMARY KEY,
    org        BLOB NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    slug       TEXT NOT NULL,
    policy     BLOB NOT NULL,
    mac        BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (org, slug)
) STRICT;
