-- Where a session was begun, for its owner to know it again, and whether a second factor was proven in it.
ALTER TABLE sessions ADD COLUMN client TEXT;
ALTER TABLE sessions ADD COLUMN address TEXT;
ALTER TABLE sessions ADD COLUMN second_factor INTEGER NOT NULL DEFAULT 0;

-- Whether members need a second factor.
ALTER TABLE orgs ADD COLUMN second_factor_required INTEGER NOT NULL DEFAULT 0;

-- The key that a person shares with an app for one-time codes, sealed. Nothing counts before a code confirmed it. `last_step` is the step
-- of time whose code was taken last: no code is taken twice.
CREATE TABLE totp (
    user_id      BLOB NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    sealed       BLOB NOT NULL,
    last_step    INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    confirmed_at INTEGER
) STRICT;

-- Codes for who lost their second factor, by their SHA-256. One that was used is deleted.
CREATE TABLE recovery_codes (
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    hash    BLOB NOT NULL,
    PRIMARY KEY (user_id, hash)
) STRICT;
