-- How the key of a pooled credential is renewed.
CREATE TABLE key_plans (
    credential UUID NOT NULL PRIMARY KEY,
    org        UUID NOT NULL,
    driver     TEXT NOT NULL,
    admin      UUID,
    account    TEXT,
    vendor_key TEXT,
    every_days BIGINT,
    overlap_s  BIGINT NOT NULL,
    due_at     BIGINT,
    updated_at BIGINT NOT NULL,
    FOREIGN KEY (org, credential) REFERENCES credentials (org, id) ON DELETE CASCADE
);
CREATE INDEX key_plans_due ON key_plans (due_at) WHERE due_at IS NOT NULL;

-- Every rotation, with how far it is. The credentials that it names may be gone.
CREATE TABLE rotations (
    id         UUID NOT NULL PRIMARY KEY,
    org        UUID NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    provider   TEXT NOT NULL,
    old        UUID NOT NULL,
    new        UUID,
    driver     TEXT NOT NULL,
    admin      UUID,
    account    TEXT,
    step       TEXT NOT NULL,
    since      BIGINT NOT NULL,
    failures   BIGINT NOT NULL,
    not_before BIGINT NOT NULL,
    overlap_s  BIGINT NOT NULL,
    old_key    TEXT,
    new_key    TEXT,
    problem    TEXT,
    created_at BIGINT NOT NULL,
    ended_at   BIGINT
);
CREATE UNIQUE INDEX rotations_running ON rotations (old) WHERE ended_at IS NULL;
CREATE INDEX rotations_of_org ON rotations (org, id);
