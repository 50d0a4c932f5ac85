-- Requests are kept by pages: some calls of one organization, in the order in which they ended, as the records that made them. What
-- an agent called, and a call by its id, is found by tables with a row for each page that has any of it. The projections are made
-- anew from the journal at the next start, because their watermarks differ.
DROP TABLE requests;
CREATE TABLE request_pages (
    first INTEGER NOT NULL PRIMARY KEY,
    last  INTEGER NOT NULL,
    org   BLOB NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL,
    body  BLOB NOT NULL
) STRICT;
CREATE INDEX request_pages_of_org ON request_pages (org, first);
CREATE INDEX request_pages_by_last ON request_pages (last);
CREATE TABLE request_agents (
    org   BLOB NOT NULL,
    agent BLOB NOT NULL,
    page  INTEGER NOT NULL,
    PRIMARY KEY (org, agent, page)
) STRICT, WITHOUT ROWID;
CREATE TABLE request_ids (
    org      BLOB NOT NULL,
    head     INTEGER NOT NULL,
    page     INTEGER NOT NULL,
    least    BLOB NOT NULL,
    greatest BLOB NOT NULL,
    PRIMARY KEY (org, head, page)
) STRICT, WITHOUT ROWID;
UPDATE watermarks SET seq = 0 WHERE projection = 'requests';
