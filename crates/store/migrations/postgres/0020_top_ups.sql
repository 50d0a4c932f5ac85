-- How credit is topped up by itself: the policy with its MAC, and how often in a row that was refused.
CREATE TABLE top_ups (
    org        UUID NOT NULL PRIMARY KEY REFERENCES orgs (id) ON DELETE CASCADE,
    policy     BYTEA NOT NULL,
    mac        BYTEA NOT NULL,
    failures   BIGINT NOT NULL DEFAULT 0,
    not_before BIGINT NOT NULL DEFAULT 0,
    updated_at BIGINT NOT NULL
);

-- Where a payment comes from; what is charged, with its MAC, where that is a saved card; how often it was asked for; and when it came
-- to nothing.
ALTER TABLE payments ADD COLUMN way TEXT NOT NULL DEFAULT 'page';
ALTER TABLE payments ADD COLUMN charge BYTEA;
ALTER TABLE payments ADD COLUMN mac BYTEA;
ALTER TABLE payments ADD COLUMN asks BIGINT NOT NULL DEFAULT 0;
ALTER TABLE payments ADD COLUMN not_before BIGINT NOT NULL DEFAULT 0;
ALTER TABLE payments ADD COLUMN failed_at BIGINT;
CREATE UNIQUE INDEX payments_open ON payments (org)
    WHERE way IN ('card', 'operator') AND transaction_id IS NULL AND failed_at IS NULL;
