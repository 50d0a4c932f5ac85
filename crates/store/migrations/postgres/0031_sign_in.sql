-- Where a session was begun, for its owner to know it again, and whether a second factor was proven in it.
ALTER TABLE sessions ADD COLUMN client TEXT;
ALTER TABLE sessions ADD COLUMN address TEXT;
ALTER TABLE sessions ADD COLUMN second_factor BOOLEAN NOT NULL DEFAULT FALSE;

-- Whether members need a second factor.
ALTER TABLE orgs ADD COLUMN second_factor_required BOOLEAN NOT NULL DEFAULT FALSE;

-- The key that a person shares with an app for one-time codes, sealed. Nothing counts before a code confirmed it. `last_step` is the step
-- of time whose code was taken last: no code is taken twice.
CREATE TABLE totp (
    user_id      UUID NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    sealed       BYTEA NOT NULL,
    last_step    BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    confirmed_at BIGINT
);

-- Codes for who lost their second factor, by their SHA-256. One that was used is deleted.
CREATE TABLE recovery_codes (
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    hash    BYTEA NOT NULL,
    PRIMARY KEY (user_id, hash)
);
