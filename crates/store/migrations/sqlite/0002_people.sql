-- The audit log, invitations, and what a change of an organization's time zone needs.

-- Who changed what, one numbered row a change and organization. The leaf decides and is never changed; the columns beside it are
-- written from the same values, for filters. The payload (before and after) may be erased; the leaf commits to it. Organizations
-- end, their log stays: there is no foreign key.
CREATE TABLE audit_log (
    org     BLOB NOT NULL,
    seq     INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    action  TEXT NOT NULL,
    actor   TEXT NOT NULL,
    subject TEXT NOT NULL,
    project BLOB,
    leaf    BLOB NOT NULL,
    payload TEXT,
    PRIMARY KEY (org, seq)
) STRICT;

-- The newest number of each organization. Its row is the lock that puts writers in order.
CREATE TABLE audit_heads (
    org BLOB NOT NULL PRIMARY KEY,
    seq INTEGER NOT NULL
) STRICT;

CREATE TRIGGER audit_log_keeps_rows BEFORE DELETE ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_log_keeps_leaves BEFORE UPDATE OF org, seq, at, action, actor, subject, project, leaf ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

-- Found by the SHA-256 of the link's code. One open invitation an address and organization.
CREATE TABLE invitations (
    id         BLOB NOT NULL PRIMARY KEY,
    org        BLOB NOT NULL REFERENCES orgs (id),
    email      TEXT NOT NULL,
    role       TEXT NOT NULL,
    hash       BLOB NOT NULL UNIQUE,
    invited_by BLOB REFERENCES users (id) ON DELETE SET NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    UNIQUE (org, email)
) STRICT;

-- Until the windows that were open at the change have ended, budgets follow the time zone before.
ALTER TABLE orgs ADD COLUMN previous_time_zone TEXT;
ALTER TABLE orgs ADD COLUMN time_zone_changed_at INTEGER;

CREATE INDEX sign_in_codes_of_user ON sign_in_codes (user_id);
CREATE INDEX api_keys_of_creator ON api_keys (created_by);
