-- Requests are kept by pages: some calls of one organization, in the order in which they ended, as the records that made them. What
-- an agent called, and a call by its id, is found by tables with a row for each page that has any of it. The projections are made
-- anew from the journal at the next start, because their watermarks differ.
DROP TABLE requests;
CREATE TABLE request_pages (
    first BIGINT NOT NULL PRIMARY KEY,
    last  BIGINT NOT NULL,
    org   UUID NOT NULL,
    since BIGINT NOT NULL,
    until BIGINT NOT NULL,
    body  BYTEA NOT NULL
);
CREATE INDEX request_pages_of_org ON request_pages (org, first);
CREATE INDEX request_pages_by_last ON request_pages (last);
CREATE TABLE request_agents (
    org   UUID NOT NULL,
    agent UUID NOT NULL,
    page  BIGINT NOT NULL,
    PRIMARY KEY (org, agent, page)
);
CREATE TABLE request_ids (
    org      UUID NOT NULL,
    head     BIGINT NOT NULL,
    page     BIGINT NOT NULL,
    least    UUID NOT NULL,
    greatest UUID NOT NULL,
    PRIMARY KEY (org, head, page)
);
UPDATE watermarks SET seq = 0 WHERE projection = 'requests';
