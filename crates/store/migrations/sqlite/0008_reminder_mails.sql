-- The mails of reminders that no mail server has taken yet, one a person.

CREATE TABLE reminder_mails (
    credential BLOB NOT NULL,
    kind       TEXT NOT NULL,
    due_at     INTEGER NOT NULL,
    days       INTEGER NOT NULL,
    user_id    BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    made_at    INTEGER NOT NULL,
    next_at    INTEGER NOT NULL,
    PRIMARY KEY (credential, kind, due_at, days, user_id),
    FOREIGN KEY (credential, kind, due_at, days)
        REFERENCES credential_reminders (credential, kind, due_at, days) ON DELETE CASCADE
) STRICT;
