-- The first schema. House rules for it are in the README of this crate: ids are drawn by the program, times are microseconds
-- since 1970 (UTC), money is nano-dollars, lists and maps are JSON text that SQL does not look into.

CREATE TABLE deployment (
    one         BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    id          UUID NOT NULL,
    wrapped_key BYTEA NOT NULL,
    kdf_salt    BYTEA NOT NULL,
    root_key    TEXT NOT NULL,
    created_at  BIGINT NOT NULL
);

CREATE TABLE auth_epoch (
    id    BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch BIGINT NOT NULL
);
INSERT INTO auth_epoch (id, epoch) VALUES (1, 1);

CREATE TABLE changes (
    epoch    BIGINT NOT NULL,
    position BIGINT NOT NULL,
    kind     TEXT NOT NULL,
    subject  BYTEA NOT NULL,
    PRIMARY KEY (epoch, position)
);

CREATE TABLE orgs (
    id         UUID NOT NULL PRIMARY KEY,
    slug       TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    time_zone  TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE users (
    id            UUID NOT NULL PRIMARY KEY,
    email         TEXT NOT NULL UNIQUE,
    name          TEXT NOT NULL,
    password_hash TEXT,
    operator      BOOLEAN NOT NULL,
    verified_at   BIGINT,
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL
);

CREATE TABLE members (
    org        UUID NOT NULL REFERENCES orgs (id),
    user_id    UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role       TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (org, user_id)
);
CREATE INDEX members_of_user ON members (user_id);

CREATE TABLE sessions (
    id           UUID NOT NULL PRIMARY KEY,
    hash         BYTEA NOT NULL UNIQUE,
    user_id      UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    org          UUID NOT NULL REFERENCES orgs (id),
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL
);
CREATE INDEX sessions_of_user ON sessions (user_id);
CREATE INDEX sessions_expiring ON sessions (expires_at);

CREATE TABLE sign_in_codes (
    hash       BYTEA NOT NULL PRIMARY KEY,
    user_id    UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    purpose    TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE login_attempts (
    subject  TEXT NOT NULL PRIMARY KEY,
    failures BIGINT NOT NULL,
    last_at  BIGINT NOT NULL
);

CREATE TABLE projects (
    id         UUID NOT NULL PRIMARY KEY,
    org        UUID NOT NULL REFERENCES orgs (id),
    slug       TEXT NOT NULL,
    name       TEXT NOT NULL,
    labels     TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (org, slug),
    UNIQUE (org, id)
);

CREATE TABLE api_keys (
    id           UUID NOT NULL PRIMARY KEY,
    hash         BYTEA NOT NULL UNIQUE,
    org          UUID NOT NULL REFERENCES orgs (id),
    project      UUID,
    name         TEXT NOT NULL,
    role         TEXT NOT NULL,
    created_by   UUID REFERENCES users (id) ON DELETE SET NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    revoked_at   BIGINT,
    last_used_at BIGINT,
    FOREIGN KEY (org, project) REFERENCES projects (org, id)
);
CREATE UNIQUE INDEX api_keys_by_name ON api_keys (org, name) WHERE revoked_at IS NULL;

CREATE TABLE keks (
    id         UUID NOT NULL PRIMARY KEY,
    org        UUID NOT NULL REFERENCES orgs (id),
    generation BIGINT NOT NULL,
    wrapped    BYTEA NOT NULL,
    state      TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (org, generation),
    UNIQUE (org, id)
);
CREATE UNIQUE INDEX keks_active ON keks (org) WHERE state = 'active';

-- A foreign key over (org, id) keeps a row from pointing into another tenant.
CREATE TABLE credentials (
    id              UUID NOT NULL PRIMARY KEY,
    org             UUID NOT NULL,
    project         UUID NOT NULL,
    provider        TEXT NOT NULL,
    name            TEXT NOT NULL,
    source          TEXT NOT NULL,
    status          TEXT NOT NULL,
    current_version BIGINT NOT NULL,
    params          TEXT NOT NULL,
    base_url        TEXT,
    labels          TEXT NOT NULL,
    agreements      TEXT NOT NULL,
    expires_at      BIGINT,
    rotate_after    BIGINT,
    last_used_at    BIGINT,
    tested_at       BIGINT,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    UNIQUE (project, provider, name),
    UNIQUE (org, id),
    FOREIGN KEY (org, project) REFERENCES projects (org, id)
);

CREATE TABLE credential_versions (
    credential     UUID NOT NULL,
    org            UUID NOT NULL,
    version        BIGINT NOT NULL,
    sealed         BYTEA NOT NULL,
    policy         BYTEA NOT NULL,
    kek            UUID NOT NULL,
    kek_generation BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    PRIMARY KEY (credential, version),
    FOREIGN KEY (org, credential) REFERENCES credentials (org, id) ON DELETE CASCADE,
    FOREIGN KEY (org, kek) REFERENCES keks (org, id)
);
CREATE INDEX credential_versions_under_kek ON credential_versions (org, kek);

CREATE TABLE agents (
    id         UUID NOT NULL PRIMARY KEY,
    org        UUID NOT NULL,
    project    UUID NOT NULL,
    name       TEXT NOT NULL,
    status     TEXT NOT NULL,
    expires_at BIGINT,
    policy     BYTEA NOT NULL,
    mac        BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (project, name),
    UNIQUE (org, id),
    FOREIGN KEY (org, project) REFERENCES projects (org, id)
);

-- Which agent may use what, for look-ups; the agent's policy decides. The credential may be gone.
CREATE TABLE agent_grants (
    agent      UUID NOT NULL,
    org        UUID NOT NULL,
    provider   TEXT NOT NULL,
    source     TEXT NOT NULL,
    credential UUID,
    PRIMARY KEY (agent, provider),
    FOREIGN KEY (org, agent) REFERENCES agents (org, id) ON DELETE CASCADE
);
CREATE INDEX agent_grants_of_credential ON agent_grants (credential);

CREATE TABLE tokens (
    id           UUID NOT NULL PRIMARY KEY,
    hash         BYTEA NOT NULL UNIQUE,
    org          UUID NOT NULL,
    agent        UUID NOT NULL,
    name         TEXT NOT NULL,
    policy       BYTEA NOT NULL,
    mac          BYTEA NOT NULL,
    expires_at   BIGINT,
    revoked_at   BIGINT,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT,
    FOREIGN KEY (org, agent) REFERENCES agents (org, id) ON DELETE CASCADE
);
CREATE INDEX tokens_of_agent ON tokens (org, agent);

CREATE TABLE budgets (
    id          UUID NOT NULL PRIMARY KEY,
    org         UUID NOT NULL REFERENCES orgs (id),
    project     UUID,
    agent       UUID,
    provider    TEXT,
    model       TEXT,
    end_user    TEXT,
    limit_nanos BIGINT NOT NULL,
    window_kind TEXT NOT NULL,
    mode        TEXT NOT NULL,
    policy      BYTEA NOT NULL,
    mac         BYTEA NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    FOREIGN KEY (org, project) REFERENCES projects (org, id),
    FOREIGN KEY (org, agent) REFERENCES agents (org, id) ON DELETE CASCADE
);
CREATE INDEX budgets_of_agent ON budgets (org, agent);

-- Append-only: each row is a batch of records, written by one statement. Everything below is made from it.
CREATE TABLE journal (
    seq  BIGINT NOT NULL PRIMARY KEY,
    at   BIGINT NOT NULL,
    body BYTEA NOT NULL
);

-- The newest journal row that each projection has taken in.
CREATE TABLE watermarks (
    projection TEXT NOT NULL PRIMARY KEY,
    seq        BIGINT NOT NULL
);
INSERT INTO watermarks (projection, seq)
VALUES ('open_intents', 0), ('requests', 0), ('budget_spend', 0), ('daily_requests', 0), ('usage_daily', 0);

CREATE TABLE open_intents (
    attempt UUID NOT NULL PRIMARY KEY,
    seq     BIGINT NOT NULL,
    body    BYTEA NOT NULL
);

CREATE TABLE requests (
    seq                BIGINT NOT NULL PRIMARY KEY,
    id                 UUID NOT NULL,
    attempt            UUID,
    at                 BIGINT NOT NULL,
    ended_at           BIGINT NOT NULL,
    org                UUID NOT NULL,
    project            UUID NOT NULL,
    agent              UUID NOT NULL,
    token              UUID NOT NULL,
    provider           TEXT NOT NULL,
    operation          TEXT,
    method             TEXT,
    path               TEXT,
    model              TEXT,
    served_model       TEXT,
    source             TEXT,
    credential         UUID,
    credential_version BIGINT,
    ending             TEXT,
    status             BIGINT NOT NULL,
    refusal            TEXT,
    count              BIGINT NOT NULL,
    hold               BIGINT NOT NULL,
    cost               BIGINT NOT NULL,
    estimated          BOOLEAN NOT NULL,
    unpriced           BOOLEAN NOT NULL,
    over_hold          BOOLEAN NOT NULL,
    external           BOOLEAN NOT NULL,
    usage              TEXT NOT NULL,
    first_byte_us      BIGINT NOT NULL,
    total_us           BIGINT NOT NULL,
    request_bytes      BIGINT NOT NULL,
    response_bytes     BIGINT NOT NULL
);
CREATE INDEX requests_of_org ON requests (org, seq);
CREATE INDEX requests_of_agent ON requests (agent, seq);
CREATE INDEX requests_by_id ON requests (id);

CREATE TABLE budget_spend (
    budget       UUID NOT NULL,
    window_start BIGINT NOT NULL,
    settled      BIGINT NOT NULL,
    PRIMARY KEY (budget, window_start)
);

CREATE TABLE daily_requests (
    agent    UUID NOT NULL,
    provider TEXT NOT NULL,
    day      BIGINT NOT NULL,
    admitted BIGINT NOT NULL,
    PRIMARY KEY (day, agent, provider)
);

-- `source` is empty for refusals, `model` where none was named: a key has no NULLs.
CREATE TABLE usage_daily (
    org                UUID NOT NULL,
    project            UUID NOT NULL,
    agent              UUID NOT NULL,
    provider           TEXT NOT NULL,
    model              TEXT NOT NULL,
    source             TEXT NOT NULL,
    day                BIGINT NOT NULL,
    calls              BIGINT NOT NULL,
    errors             BIGINT NOT NULL,
    refused            BIGINT NOT NULL,
    input_tokens       BIGINT NOT NULL,
    cache_read_tokens  BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    output_tokens      BIGINT NOT NULL,
    reasoning_tokens   BIGINT NOT NULL,
    cost               BIGINT NOT NULL,
    PRIMARY KEY (org, day, project, agent, provider, model, source)
);
