-- Who was reminded of a credential's end or rotation, so that each reminder is given once.

CREATE TABLE credential_reminders (
    org        UUID NOT NULL,
    credential UUID NOT NULL,
    kind       TEXT NOT NULL,
    due_at     BIGINT NOT NULL,
    days       BIGINT NOT NULL,
    noted_at   BIGINT NOT NULL,
    PRIMARY KEY (credential, kind, due_at, days),
    FOREIGN KEY (org, credential) REFERENCES credentials (org, id) ON DELETE CASCADE
);
