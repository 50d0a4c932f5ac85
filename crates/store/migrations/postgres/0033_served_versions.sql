-- The newest version of each credential that a call was made with: made from the journal, as the other projections are. Those that were
-- there before are made anew with it at the next start, because its watermark differs.
CREATE TABLE served_versions (
    credential UUID NOT NULL PRIMARY KEY,
    version    BIGINT NOT NULL
);
INSERT INTO watermarks (projection, seq) VALUES ('served_versions', 0);
