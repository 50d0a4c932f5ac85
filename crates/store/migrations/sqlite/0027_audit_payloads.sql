-- Payloads of the audit log are sealed for their organization, and removed with their leaves when the retention ends.

-- The private half is sealed under the KEK, the public one is authenticated. Organizations end, their log stays: there is no foreign key.
CREATE TABLE audit_keys (
    org        BLOB NOT NULL,
    generation INTEGER NOT NULL,
    public     BLOB NOT NULL,
    sealed     BLOB NOT NULL,
    kek        BLOB NOT NULL,
    mac        BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (org, generation)
) STRICT;

ALTER TABLE audit_log ADD COLUMN sealed BLOB;
CREATE INDEX audit_log_plain ON audit_log (org, seq) WHERE payload IS NOT NULL;

-- Up to which entry of an organization leaves and payloads were removed; their hashes stay in the tree.
CREATE TABLE audit_pruned (
    org BLOB NOT NULL PRIMARY KEY,
    seq INTEGER NOT NULL
) STRICT;

DROP TRIGGER audit_log_keeps_rows;
CREATE TRIGGER audit_log_keeps_rows BEFORE DELETE ON audit_log
WHEN OLD.seq > COALESCE((SELECT seq FROM audit_pruned WHERE org = OLD.org), 0)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_pruned_stays BEFORE DELETE ON audit_pruned
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_pruned_grows BEFORE UPDATE ON audit_pruned WHEN NEW.seq < OLD.seq
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
