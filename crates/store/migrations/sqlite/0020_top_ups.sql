-- How credit is topped up by itself: the policy with its MAC, and how often in a row that was refused.
CREATE TABLE top_ups (
    org        BLOB NOT NULL PRIMARY KEY REFERENCES orgs (id) ON DELETE CASCADE,
    policy     BLOB NOT NULL,
    mac        BLOB NOT NULL,
    failures   INTEGER NOT NULL DEFAULT 0,
    not_before INTEGER NOT NULL DEFAULT 0,
    updated_at INTEGER NOT NULL
) STRICT;

-- Where a payment comes from; what is charged, with its MAC, where that is a saved card; how often it was asked for; and when it came
-- to nothing.
ALTER TABLE payments ADD COLUMN way TEXT NOT NULL DEFAULT 'page';
ALTER TABLE payments ADD COLUMN charge BLOB;
ALTER TABLE payments ADD COLUMN mac BLOB;
ALTER TABLE payments ADD COLUMN asks INTEGER NOT NULL DEFAULT 0;
ALTER TABLE payments ADD COLUMN not_before INTEGER NOT NULL DEFAULT 0;
ALTER TABLE payments ADD COLUMN failed_at INTEGER;
CREATE UNIQUE INDEX payments_open ON payments (org)
    WHERE way IN ('card', 'operator') AND transaction_id IS NULL AND failed_at IS NULL;
