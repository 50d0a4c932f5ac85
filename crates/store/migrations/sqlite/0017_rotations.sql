-- How the key of a pooled credential is renewed.
CREATE TABLE key_plans (
    credential BLOB NOT NULL PRIMARY KEY,
    org        BLOB NOT NULL,
    driver     TEXT NOT NULL,
    admin      BLOB,
    account    TEXT,
    vendor_key TEXT,
    every_days INTEGER,
    overlap_s  INTEGER NOT NULL,
    due_at     INTEGER,
    updated_at INTEGER NOT NULL,
    FOREIGN KEY (org, credential) REFERENCES credentials (org, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX key_plans_due ON key_plans (due_at) WHERE due_at IS NOT NULL;

-- Every rotation, with how far it is. The credentials that it names may be gone.
CREATE TABLE rotations (
    id         BLOB NOT NULL PRIMARY KEY,
    org        BLOB NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    provider   TEXT NOT NULL,
    old        BLOB NOT NULL,
    new        BLOB,
    driver     TEXT NOT NULL,
    admin      BLOB,
    account    TEXT,
    step       TEXT NOT NULL,
    since      INTEGER NOT NULL,
    failures   INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    overlap_s  INTEGER NOT NULL,
    old_key    TEXT,
    new_key    TEXT,
    problem    TEXT,
    created_at INTEGER NOT NULL,
    ended_at   INTEGER
) STRICT;
CREATE UNIQUE INDEX rotations_running ON rotations (old) WHERE ended_at IS NULL;
CREATE INDEX rotations_of_org ON rotations (org, id);
