-- The Merkle tree over the audit log and the journal, and what is signed of it.

-- How far the tree is: its leaves, and the newest journal row among them. It never goes back.
CREATE TABLE audit_tree (
    one     BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    size    BIGINT NOT NULL,
    journal BIGINT NOT NULL
);
INSERT INTO audit_tree (one, size, journal) VALUES (1, 0, 0);

-- The newest entry of each organization that is in the tree.
CREATE TABLE audit_taken (
    org UUID NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL
);

-- What the leaves are, in order: the records of the journal rows from `since` to `until`, or, with an organization, its entries.
-- `at` is the time of the first of them; it helps to find one, and proves nothing.
CREATE TABLE audit_spans (
    first BIGINT NOT NULL PRIMARY KEY,
    count BIGINT NOT NULL CHECK (count > 0),
    org   UUID,
    since BIGINT NOT NULL,
    until BIGINT NOT NULL,
    at    BIGINT NOT NULL
);
CREATE INDEX audit_spans_of_org ON audit_spans (org, since) WHERE org IS NOT NULL;
CREATE INDEX audit_spans_of_journal ON audit_spans (at) WHERE org IS NULL;

-- Up to 256 hashes of 32 bytes beside each other: of leaves at level 0, of the roots of 256 hashes each at the level above.
CREATE TABLE audit_tiles (
    level  BIGINT NOT NULL,
    tile   BIGINT NOT NULL,
    hashes BYTEA NOT NULL,
    PRIMARY KEY (level, tile)
);

-- Signed notes: the newest one of each size.
CREATE TABLE audit_checkpoints (
    size BIGINT NOT NULL PRIMARY KEY,
    at   BIGINT NOT NULL,
    note TEXT NOT NULL
);

-- The key that signs them, sealed under the deployment key.
CREATE TABLE audit_signer (
    one        BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    sealed     BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TRIGGER audit_tree_stays BEFORE DELETE ON audit_tree
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_audit_log();
CREATE TRIGGER audit_tree_grows BEFORE UPDATE ON audit_tree
    FOR EACH ROW WHEN (NEW.size < OLD.size OR NEW.journal < OLD.journal) EXECUTE FUNCTION refuse_change_of_audit_log();
CREATE TRIGGER audit_spans_stay BEFORE DELETE ON audit_spans
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_audit_log();
CREATE TRIGGER audit_spans_keep BEFORE UPDATE ON audit_spans
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_audit_log();
CREATE TRIGGER audit_tiles_stay BEFORE DELETE ON audit_tiles
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_audit_log();
CREATE TRIGGER audit_tiles_grow BEFORE UPDATE ON audit_tiles
    FOR EACH ROW WHEN (substr(NEW.hashes, 1, length(OLD.hashes)) <> OLD.hashes) EXECUTE FUNCTION refuse_change_of_audit_log();
CREATE TRIGGER audit_checkpoints_stay BEFORE DELETE ON audit_checkpoints
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_audit_log();
