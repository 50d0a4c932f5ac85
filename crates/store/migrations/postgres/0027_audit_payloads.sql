-- Payloads of the audit log are sealed for their organization, and removed with their leaves when the retention ends.

-- The private half is sealed under the KEK, the public one is authenticated. Organizations end, their log stays: there is no foreign key.
CREATE TABLE audit_keys (
    org        UUID NOT NULL,
    generation BIGINT NOT NULL,
    public     BYTEA NOT NULL,
    sealed     BYTEA NOT NULL,
    kek        UUID NOT NULL,
    mac        BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (org, generation)
);

ALTER TABLE audit_log ADD COLUMN sealed BYTEA;
CREATE INDEX audit_log_plain ON audit_log (org, seq) WHERE payload IS NOT NULL;

-- Up to which entry of an organization leaves and payloads were removed; their hashes stay in the tree.
CREATE TABLE audit_pruned (
    org UUID NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL
);

CREATE FUNCTION refuse_removal_from_audit_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.seq > COALESCE((SELECT seq FROM audit_pruned WHERE org = OLD.org), 0) THEN
        RAISE EXCEPTION 'the audit log is append-only';
    END IF;
    RETURN OLD;
END
$$;
DROP TRIGGER audit_log_keeps_rows ON audit_log;
CREATE TRIGGER audit_log_keeps_rows BEFORE DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION refuse_removal_from_audit_log();
CREATE TRIGGER audit_pruned_stays BEFORE DELETE ON audit_pruned
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_audit_log();
CREATE TRIGGER audit_pruned_grows BEFORE UPDATE ON audit_pruned
    FOR EACH ROW WHEN (NEW.seq < OLD.seq) EXECUTE FUNCTION refuse_change_of_audit_log();
