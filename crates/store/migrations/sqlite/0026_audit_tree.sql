-- The Merkle tree over the audit log and the journal, and what is signed of it.

-- How far the tree is: its leaves, and the newest journal row among them. It never goes back.
CREATE TABLE audit_tree (
    one     INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    size    INTEGER NOT NULL,
    journal INTEGER NOT NULL
) STRICT;
INSERT INTO audit_tree (one, size, journal) VALUES (1, 0, 0);

-- The newest entry of each organization that is in the tree.
CREATE TABLE audit_taken (
    org BLOB NOT NULL PRIMARY KEY,
    seq INTEGER NOT NULL
) STRICT;

-- What the leaves are, in order: the records of the journal rows from `since` to `until`, or, with an organization, its entries.
-- `at` is the time of the first of them; it helps to find one, and proves nothing.
CREATE TABLE audit_spans (
    first INTEGER NOT NULL PRIMARY KEY,
    count INTEGER NOT NULL CHECK (count > 0),
    org   BLOB,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL,
    at    INTEGER NOT NULL
) STRICT;
CREATE INDEX audit_spans_of_org ON audit_spans (org, since) WHERE org IS NOT NULL;
CREATE INDEX audit_spans_of_journal ON audit_spans (at) WHERE org IS NULL;

-- Up to 256 hashes of 32 bytes beside each other: of leaves at level 0, of the roots of 256 hashes each at the level above.
CREATE TABLE audit_tiles (
    level  INTEGER NOT NULL,
    tile   INTEGER NOT NULL,
    hashes BLOB NOT NULL,
    PRIMARY KEY (level, tile)
) STRICT;

-- Signed notes: the newest one of each size.
CREATE TABLE audit_checkpoints (
    size INTEGER NOT NULL PRIMARY KEY,
    at   INTEGER NOT NULL,
    note TEXT NOT NULL
) STRICT;

-- The key that signs them, sealed under the deployment key.
CREATE TABLE audit_signer (
    one        INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    sealed     BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TRIGGER audit_tree_stays BEFORE DELETE ON audit_tree
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_tree_grows BEFORE UPDATE ON audit_tree WHEN NEW.size < OLD.size OR NEW.journal < OLD.journal
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_spans_stay BEFORE DELETE ON audit_spans
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_spans_keep BEFORE UPDATE ON audit_spans
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_tiles_stay BEFORE DELETE ON audit_tiles
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_tiles_grow BEFORE UPDATE ON audit_tiles WHEN substr(NEW.hashes, 1, length(OLD.hashes)) <> OLD.hashes
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_checkpoints_stay BEFORE DELETE ON audit_checkpoints
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
