-- What happened, each thing once: `once` names what must not be told twice.
CREATE TABLE events (
    id      UUID NOT NULL PRIMARY KEY,
    org     UUID NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    project UUID,
    kind    TEXT NOT NULL,
    subject TEXT NOT NULL,
    once    TEXT NOT NULL,
    at      BIGINT NOT NULL,
    data    TEXT NOT NULL,
    UNIQUE (org, kind, once)
);
CREATE INDEX events_of_org ON events (org, id);
