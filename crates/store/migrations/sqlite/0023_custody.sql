-- The organization's own key that wraps inside of the root key; how often the key may have wrapped, rounded up; when it was last
-- seen that nothing is sealed under it any more and that everything opens.
ALTER TABLE keks ADD COLUMN customer TEXT;
ALTER TABLE keks ADD COLUMN wraps INTEGER NOT NULL DEFAULT 0;
ALTER TABLE keks ADD COLUMN imported INTEGER NOT NULL DEFAULT 0;
ALTER TABLE keks ADD COLUMN verified_at INTEGER;
UPDATE keks SET wraps = (SELECT COALESCE(SUM(v.version), 0) FROM credential_versions v WHERE v.org = keks.org AND v.kek = keks.id);

-- The one thing that is being done to an organization's keys, and how far it is.
CREATE TABLE kek_jobs (
    org        BLOB NOT NULL PRIMARY KEY REFERENCES orgs (id) ON DELETE CASCADE,
    step       TEXT NOT NULL,
    credential BLOB NOT NULL,
    version    INTEGER NOT NULL,
    done       INTEGER NOT NULL,
    total      INTEGER NOT NULL,
    failed     INTEGER NOT NULL,
    problem    TEXT,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER
) STRICT;
