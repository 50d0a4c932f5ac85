-- The mails of reminders that no mail server has taken yet, one a person.

CREATE TABLE reminder_mails (
    credential UUID NOT NULL,
    kind       TEXT NOT NULL,
    due_at     BIGINT NOT NULL,
    days       BIGINT NOT NULL,
    user_id    UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    made_at    BIGINT NOT NULL,
    next_at    BIGINT NOT NULL,
    PRIMARY KEY (credential, kind, due_at, days, user_id),
    FOREIGN KEY (credential, kind, due_at, days)
        REFERENCES credential_reminders (credential, kind, due_at, days) ON DELETE CASCADE
);
