-- The operator's side of the marketplace. As with agents, the canonical bytes of a policy and their MAC decide; the columns beside them are
-- what a row is found by.

-- The organization in which the operator acts.
ALTER TABLE deployment ADD COLUMN operator_org BLOB REFERENCES orgs (id);

-- Where the calls of a grant began before it was moved.
ALTER TABLE agent_grants ADD COLUMN former BLOB;

CREATE TABLE pool_credentials (
    credential BLOB NOT NULL PRIMARY KEY,
    org        BLOB NOT NULL,
    provider   TEXT NOT NULL,
    policy     BLOB NOT NULL,
    mac        BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    FOREIGN KEY (org, credential) REFERENCES credentials (org, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX pool_credentials_of_provider ON pool_credentials (provider);

-- Every book that was ever in force; the newest one is.
CREATE TABLE price_books (
    version INTEGER NOT NULL PRIMARY KEY,
    policy  BLOB NOT NULL,
    mac     BLOB NOT NULL,
    at      INTEGER NOT NULL
) STRICT;

CREATE TABLE credits (
    org        BLOB NOT NULL PRIMARY KEY REFERENCES orgs (id) ON DELETE CASCADE,
    policy     BLOB NOT NULL,
    mac        BLOB NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- Grants that were moved between the two kinds of credentials, with what they were before.
CREATE TABLE moves (
    id        BLOB NOT NULL PRIMARY KEY,
    org       BLOB NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    provider  TEXT NOT NULL,
    target    TEXT NOT NULL,
    body      TEXT NOT NULL,
    at        INTEGER NOT NULL,
    undone_at INTEGER
) STRICT;
CREATE INDEX moves_of_org ON moves (org, id);
