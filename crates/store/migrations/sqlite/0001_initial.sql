-- The first schema. House rules for it are in the README of this crate: ids are drawn by the program, times are microseconds
-- since 1970 (UTC), money is nano-dollars, lists and maps are JSON text that SQL does not look into.

CREATE TABLE deployment (
    one         INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    id          BLOB NOT NULL,
    wrapped_key BLOB NOT NULL,
    kdf_salt    BLOB NOT NULL,
    root_key    TEXT NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE auth_epoch (
    id    INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch INTEGER NOT NULL
) STRICT;
INSERT INTO auth_epoch (id, epoch) VALUES (1, 1);

CREATE TABLE changes (
    epoch    INTEGER NOT NULL,
    position INTEGER NOT NULL,
    kind     TEXT NOT NULL,
    subject  BLOB NOT NULL,
    PRIMARY KEY (epoch, position)
) STRICT;

CREATE TABLE orgs (
    id         BLOB NOT NULL PRIMARY KEY,
    slug       TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    time_zone  TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE users (
    id            BLOB NOT NULL PRIMARY KEY,
    email         TEXT NOT NULL UNIQUE,
    name          TEXT NOT NULL,
    password_hash TEXT,
    operator      INTEGER NOT NULL,
    verified_at   INTEGER,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT;

CREATE TABLE members (
    org        BLOB NOT NULL REFERENCES orgs (id),
    user_id    BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role       TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (org, user_id)
) STRICT;
CREATE INDEX members_of_user ON members (user_id);

CREATE TABLE sessions (
    id           BLOB NOT NULL PRIMARY KEY,
    hash         BLOB NOT NULL UNIQUE,
    user_id      BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    org          BLOB NOT NULL REFERENCES orgs (id),
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_of_user ON sessions (user_id);
CREATE INDEX sessions_expiring ON sessions (expires_at);

CREATE TABLE sign_in_codes (
    hash       BLOB NOT NULL PRIMARY KEY,
    user_id    BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    purpose    TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE TABLE login_attempts (
    subject  TEXT NOT NULL PRIMARY KEY,
    failures INTEGER NOT NULL,
    last_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE projects (
    id         BLOB NOT NULL PRIMARY KEY,
    org        BLOB NOT NULL REFERENCES orgs (id),
    slug       TEXT NOT NULL,
    name       TEXT NOT NULL,
    labels     TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (org, slug),
    UNIQUE (org, id)
) STRICT;

CREATE TABLE api_keys (
    id           BLOB NOT NULL PRIMARY KEY,
    hash         BLOB NOT NULL UNIQUE,
    org          BLOB NOT NULL REFERENCES orgs (id),
    project      BLOB,
    name         TEXT NOT NULL,
    role         TEXT NOT NULL,
    created_by   BLOB REFERENCES users (id) ON DELETE SET NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    revoked_at   INTEGER,
    last_used_at INTEGER,
    FOREIGN KEY (org, project) REFERENCES projects (org, id)
) STRICT;
CREATE UNIQUE INDEX api_keys_by_name ON api_keys (org, name) WHERE revoked_at IS NULL;

CREATE TABLE keks (
    id         BLOB NOT NULL PRIMARY KEY,
    org        BLOB NOT NULL REFERENCES orgs (id),
    generation INTEGER NOT NULL,
    wrapped    BLOB NOT NULL,
    state      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (org, generation),
    UNIQUE (org, id)
) STRICT;
CREATE UNIQUE INDEX keks_active ON keks (org) WHERE state = 'active';

-- A foreign key over (org, id) keeps a row from pointing into another tenant.
CREATE TABLE credentials (
    id              BLOB NOT NULL PRIMARY KEY,
    org             BLOB NOT NULL,
    project         BLOB NOT NULL,
    provider        TEXT NOT NULL,
    name            TEXT NOT NULL,
    source          TEXT NOT NULL,
    status          TEXT NOT NULL,
    current_version INTEGER NOT NULL,
    params          TEXT NOT NULL,
    base_url        TEXT,
    labels          TEXT NOT NULL,
    agreements      TEXT NOT NULL,
    expires_at      INTEGER,
    rotate_after    INTEGER,
    last_used_at    INTEGER,
    tested_at       INTEGER,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    UNIQUE (project, provider, name),
    UNIQUE (org, id),
    FOREIGN KEY (org, project) REFERENCES projects (org, id)
) STRICT;

CREATE TABLE credential_versions (
    credential     BLOB NOT NULL,
    org            BLOB NOT NULL,
    version        INTEGER NOT NULL,
    sealed         BLOB NOT NULL,
    policy         BLOB NOT NULL,
    kek            BLOB NOT NULL,
    kek_generation INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    PRIMARY KEY (credential, version),
    FOREIGN KEY (org, credential) REFERENCES credentials (org, id) ON DELETE CASCADE,
    FOREIGN KEY (org, kek) REFERENCES keks (org, id)
) STRICT;
CREATE INDEX credential_versions_under_kek ON credential_versions (org, kek);

CREATE TABLE agents (
    id         BLOB NOT NULL PRIMARY KEY,
    org        BLOB NOT NULL,
    project    BLOB NOT NULL,
    name       TEXT NOT NULL,
    status     TEXT NOT NULL,
    expires_at INTEGER,
    policy     BLOB NOT NULL,
    mac        BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (project, name),
    UNIQUE (org, id),
    FOREIGN KEY (org, project) REFERENCES projects (org, id)
) STRICT;

-- Which agent may use what, for look-ups; the agent's policy decides. The credential may be gone.
CREATE TABLE agent_grants (
    agent      BLOB NOT NULL,
    org        BLOB NOT NULL,
    provider   TEXT NOT NULL,
    source     TEXT NOT NULL,
    credential BLOB,
    PRIMARY KEY (agent, provider),
    FOREIGN KEY (org, agent) REFERENCES agents (org, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX agent_grants_of_credential ON agent_grants (credential);

CREATE TABLE tokens (
    id           BLOB NOT NULL PRIMARY KEY,
    hash         BLOB NOT NULL UNIQUE,
    org          BLOB NOT NULL,
    agent        BLOB NOT NULL,
    name         TEXT NOT NULL,
    policy       BLOB NOT NULL,
    mac          BLOB NOT NULL,
    expires_at   INTEGER,
    revoked_at   INTEGER,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER,
    FOREIGN KEY (org, agent) REFERENCES agents (org, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX tokens_of_agent ON tokens (org, agent);

CREATE TABLE budgets (
    id          BLOB NOT NULL PRIMARY KEY,
    org         BLOB NOT NULL REFERENCES orgs (id),
    project     BLOB,
    agent       BLOB,
    provider    TEXT,
    model       TEXT,
    end_user    TEXT,
    limit_nanos INTEGER NOT NULL,
    window_kind TEXT NOT NULL,
    mode        TEXT NOT NULL,
    policy      BLOB NOT NULL,
    mac         BLOB NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    FOREIGN KEY (org, project) REFERENCES projects (org, id),
    FOREIGN KEY (org, agent) REFERENCES agents (org, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX budgets_of_agent ON budgets (org, agent);

-- Append-only: each row is a batch of records, written by one statement. Everything below is made from it.
CREATE TABLE journal (
    seq  INTEGER NOT NULL PRIMARY KEY,
    at   INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;

-- The newest journal row that each projection has taken in.
CREATE TABLE watermarks (
    projection TEXT NOT NULL PRIMARY KEY,
    seq        INTEGER NOT NULL
) STRICT;
INSERT INTO watermarks (projection, seq)
VALUES ('open_intents', 0), ('requests', 0), ('budget_spend', 0), ('daily_requests', 0), ('usage_daily', 0);

CREATE TABLE open_intents (
    attempt BLOB NOT NULL PRIMARY KEY,
    seq     INTEGER NOT NULL,
    body    BLOB NOT NULL
) STRICT;

CREATE TABLE requests (
    seq                INTEGER NOT NULL PRIMARY KEY,
    id                 BLOB NOT NULL,
    attempt            BLOB,
    at                 INTEGER NOT NULL,
    ended_at           INTEGER NOT NULL,
    org                BLOB NOT NULL,
    project            BLOB NOT NULL,
    agent              BLOB NOT NULL,
    token              BLOB NOT NULL,
    provider           TEXT NOT NULL,
    operation          TEXT,
    method             TEXT,
    path               TEXT,
    model              TEXT,
    served_model       TEXT,
    source             TEXT,
    credential         BLOB,
    credential_version INTEGER,
    ending             TEXT,
    status             INTEGER NOT NULL,
    refusal            TEXT,
    count              INTEGER NOT NULL,
    hold               INTEGER NOT NULL,
    cost               INTEGER NOT NULL,
    estimated          INTEGER NOT NULL,
    unpriced           INTEGER NOT NULL,
    over_hold          INTEGER NOT NULL,
    external           INTEGER NOT NULL,
    usage              TEXT NOT NULL,
    first_byte_us      INTEGER NOT NULL,
    total_us           INTEGER NOT NULL,
    request_bytes      INTEGER NOT NULL,
    response_bytes     INTEGER NOT NULL
) STRICT;
CREATE INDEX requests_of_org ON requests (org, seq);
CREATE INDEX requests_of_agent ON requests (agent, seq);
CREATE INDEX requests_by_id ON requests (id);

CREATE TABLE budget_spend (
    budget       BLOB NOT NULL,
    window_start INTEGER NOT NULL,
    settled      INTEGER NOT NULL,
    PRIMARY KEY (budget, window_start)
) STRICT;

CREATE TABLE daily_requests (
    agent    BLOB NOT NULL,
    provider TEXT NOT NULL,
    day      INTEGER NOT NULL,
    admitted INTEGER NOT NULL,
    PRIMARY KEY (day, agent, provider)
) STRICT;

-- `source` is empty for refusals, `model` where none was named: a key has no NULLs.
CREATE TABLE usage_daily (
    org                BLOB NOT NULL,
    project            BLOB NOT NULL,
    agent              BLOB NOT NULL,
    provider           TEXT NOT NULL,
    model              TEXT NOT NULL,
    source             TEXT NOT NULL,
    day                INTEGER NOT NULL,
    calls              INTEGER NOT NULL,
    errors             INTEGER NOT NULL,
    refused            INTEGER NOT NULL,
    input_tokens       INTEGER NOT NULL,
    cache_read_tokens  INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    output_tokens      INTEGER NOT NULL,
    reasoning_tokens   INTEGER NOT NULL,
    cost               INTEGER NOT NULL,
    PRIMARY KEY (org, day, project, agent, provider, model, source)
) STRICT;
