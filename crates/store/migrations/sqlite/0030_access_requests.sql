-- What agents ask for and have not, until a person decides. One that is open and past `expires_at` waits for nobody any more.
CREATE TABLE access_requests (
    id           BLOB NOT NULL PRIMARY KEY,
    org          BLOB NOT NULL,
    project      BLOB NOT NULL,
    agent        BLOB NOT NULL,
    token        BLOB NOT NULL,
    provider     TEXT,
    source       TEXT,
    scopes       TEXT NOT NULL,
    models       TEXT NOT NULL,
    budget_cents INTEGER,
    reason       TEXT NOT NULL,
    state        TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    decided_at   INTEGER,
    decided_by   TEXT,
    note         TEXT,
    granted      TEXT,
    FOREIGN KEY (org, agent) REFERENCES agents (org, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX access_requests_of_org ON access_requests (org, id);
CREATE INDEX access_requests_of_agent ON access_requests (org, agent, id);
CREATE INDEX access_requests_by_end ON access_requests (expires_at);
