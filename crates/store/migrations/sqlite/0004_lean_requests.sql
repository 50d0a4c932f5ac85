-- A row of `requests` keeps the records that made it, and columns only for what it is filtered and ordered by. The projections are
-- made anew from the journal at the next start, because their watermarks differ.
DROP TABLE requests;
CREATE TABLE requests (
    seq      INTEGER NOT NULL PRIMARY KEY,
    id       BLOB NOT NULL,
    at       INTEGER NOT NULL,
    org      BLOB NOT NULL,
    project  BLOB NOT NULL,
    agent    BLOB NOT NULL,
    provider TEXT NOT NULL,
    model    TEXT,
    status   INTEGER NOT NULL,
    refusal  TEXT,
    body     BLOB NOT NULL
) STRICT;
CREATE INDEX requests_of_org ON requests (org, seq);
CREATE INDEX requests_of_agent ON requests (agent, seq);
CREATE INDEX requests_by_id ON requests (id);
UPDATE watermarks SET seq = 0 WHERE projection = 'requests';
