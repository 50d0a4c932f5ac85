-- Payments that customers began with a payment provider. `transaction_id` is the top-up, once the money is there.
CREATE TABLE payments (
    id             BLOB NOT NULL PRIMARY KEY,
    org            BLOB NOT NULL,
    amount         INTEGER NOT NULL,
    session        TEXT UNIQUE,
    transaction_id BLOB,
    created_at     INTEGER NOT NULL
) STRICT;
CREATE INDEX payments_of_org ON payments (org, id);

-- What a payment provider told, each thing once.
CREATE TABLE payment_events (
    id TEXT NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL
) STRICT;
