-- A row of `requests` keeps the records that made it, and columns only for what it is filtered and ordered by. The projections are
-- made anew from the journal at the next start, because their watermarks differ.
DROP TABLE requests;
CREATE TABLE requests (
    seq      BIGINT NOT NULL PRIMARY KEY,
    id       UUID NOT NULL,
    at       BIGINT NOT NULL,
    org      UUID NOT NULL,
    project  UUID NOT NULL,
    agent    UUID NOT NULL,
    provider TEXT NOT NULL,
    model    TEXT,
    status   BIGINT NOT NULL,
    refusal  TEXT,
    body     BYTEA NOT NULL
);
CREATE INDEX requests_of_org ON requests (org, seq);
CREATE INDEX requests_of_agent ON requests (agent, seq);
CREATE INDEX requests_by_id ON requests (id);
UPDATE watermarks SET seq = 0 WHERE projection = 'requests';
