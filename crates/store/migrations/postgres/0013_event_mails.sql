-- Reminders of credentials are events like any other, and what waits for a mail server are mails about events, one a person. What was
-- noted of reminders before is not taken over: one of each date may be given once more.
DROP TABLE reminder_mails;
DROP TABLE credential_reminders;

CREATE TABLE event_mails (
    event   UUID NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    made_at BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    PRIMARY KEY (event, user_id)
);

-- Whether an organization's events are mailed to its owners and admins.
ALTER TABLE orgs ADD COLUMN event_mails BOOLEAN NOT NULL DEFAULT TRUE;
