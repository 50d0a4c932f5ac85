-- What happened, each thing once: `once` names what must not be told twice.
CREATE TABLE events (
    id      BLOB NOT NULL PRIMARY KEY,
    org     BLOB NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    project BLOB,
    kind    TEXT NOT NULL,
    subject TEXT NOT NULL,
    once    TEXT NOT NULL,
    at      INTEGER NOT NULL,
    data    TEXT NOT NULL,
    UNIQUE (org, kind, once)
) STRICT;
CREATE INDEX events_of_org ON events (org, id);
