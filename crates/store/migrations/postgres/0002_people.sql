-- The audit log, invitations, and what a change of an organization's time zone needs.

-- Who changed what, one numbered row a change and organization. The leaf decides and is never changed; the columns beside it are
-- written from the same values, for filters. The payload (before and after) may be erased; the leaf commits to it. Organizations
-- end, their log stays: there is no foreign key.
CREATE TABLE audit_log (
    org     UUID NOT NULL,
    seq     BIGINT NOT NULL,
    at      BIGINT NOT NULL,
    action  TEXT NOT NULL,
    actor   TEXT NOT NULL,
    subject TEXT NOT NULL,
    project UUID,
    leaf    BYTEA NOT NULL,
    payload TEXT,
    PRIMARY KEY (org, seq)
);

-- The newest number of each organization. Its row is the lock that puts writers in order.
CREATE TABLE audit_heads (
    org UUID NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL
);

CREATE FUNCTION refuse_change_of_audit_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END
$$;
CREATE TRIGGER audit_log_keeps_rows BEFORE DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_audit_log();
CREATE TRIGGER audit_log_keeps_leaves BEFORE UPDATE OF org, seq, at, action, actor, subject, project, leaf ON audit_log
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_audit_log();

-- Found by the SHA-256 of the link's code. One open invitation an address and organization.
CREATE TABLE invitations (
    id         UUID NOT NULL PRIMARY KEY,
    org        UUID NOT NULL REFERENCES orgs (id),
    email      TEXT NOT NULL,
    role       TEXT NOT NULL,
    hash       BYTEA NOT NULL UNIQUE,
    invited_by UUID REFERENCES users (id) ON DELETE SET NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    UNIQUE (org, email)
);

-- Until the windows that were open at the change have ended, budgets follow the time zone before.
ALTER TABLE orgs ADD COLUMN previous_time_zone TEXT;
ALTER TABLE orgs ADD COLUMN time_zone_changed_at BIGINT;

CREATE INDEX sign_in_codes_of_user ON sign_in_codes (user_id);
CREATE INDEX api_keys_of_creator ON api_keys (created_by);
