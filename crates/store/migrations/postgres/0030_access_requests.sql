-- What agents ask for and have not, until a person decides. One that is open and past `expires_at` waits for nobody any more.
CREATE TABLE access_requests (
    id           UUID NOT NULL PRIMARY KEY,
    org          UUID NOT NULL,
    project      UUID NOT NULL,
    agent        UUID NOT NULL,
    token        UUID NOT NULL,
    provider     TEXT,
    source       TEXT,
    scopes       TEXT NOT NULL,
    models       TEXT NOT NULL,
    budget_cents BIGINT,
    reason       TEXT NOT NULL,
    state        TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    decided_at   BIGINT,
    decided_by   TEXT,
    note         TEXT,
    granted      TEXT,
    FOREIGN KEY (org, agent) REFERENCES agents (org, id) ON DELETE CASCADE
);
CREATE INDEX access_requests_of_org ON access_requests (org, id);
CREATE INDEX access_requests_of_agent ON access_requests (org, agent, id);
CREATE INDEX access_requests_by_end ON access_requests (expires_at);
