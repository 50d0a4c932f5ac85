-- Who was reminded of a credential's end or rotation, so that each reminder is given once.

CREATE TABLE credential_reminders (
    org        BLOB NOT NULL,
    credential BLOB NOT NULL,
    kind       TEXT NOT NULL,
    due_at     INTEGER NOT NULL,
    days       INTEGER NOT NULL,
    noted_at   INTEGER NOT NULL,
    PRIMARY KEY (credential, kind, due_at, days),
    FOREIGN KEY (org, credential) REFERENCES credentials (org, id) ON DELETE CASCADE
) STRICT;
