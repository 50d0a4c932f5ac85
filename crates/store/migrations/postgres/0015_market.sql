-- The operator's side of the marketplace. As with agents, the canonical bytes of a policy and their MAC decide; the columns beside them are
-- what a row is found by.

-- The organization in which the operator acts.
ALTER TABLE deployment ADD COLUMN operator_org UUID REFERENCES orgs (id);

-- Where the calls of a grant began before it was moved.
ALTER TABLE agent_grants ADD COLUMN former UUID;

CREATE TABLE pool_credentials (
    credential UUID NOT NULL PRIMARY KEY,
    org        UUID NOT NULL,
    provider   TEXT NOT NULL,
    policy     BYTEA NOT NULL,
    mac        BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    FOREIGN KEY (org, credential) REFERENCES credentials (org, id) ON DELETE CASCADE
);
CREATE INDEX pool_credentials_of_provider ON pool_credentials (provider);

-- Every book that was ever in force; the newest one is.
CREATE TABLE price_books (
    version BIGINT NOT NULL PRIMARY KEY,
    policy  BYTEA NOT NULL,
    mac     BYTEA NOT NULL,
    at      BIGINT NOT NULL
);

CREATE TABLE credits (
    org        UUID NOT NULL PRIMARY KEY REFERENCES orgs (id) ON DELETE CASCADE,
    policy     BYTEA NOT NULL,
    mac        BYTEA NOT NULL,
    updated_at BIGINT NOT NULL
);

-- Grants that were moved between the two kinds of credentials, with what they were before.
CREATE TABLE moves (
    id        UUID NOT NULL PRIMARY KEY,
    org       UUID NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    provider  TEXT NOT NULL,
    target    TEXT NOT NULL,
    body      TEXT NOT NULL,
    at        BIGINT NOT NULL,
    undone_at BIGINT
);
CREATE INDEX moves_of_org ON moves (org, id);
