-- Payments that customers began with a payment provider. `transaction_id` is the top-up, once the money is there.
CREATE TABLE payments (
    id             UUID NOT NULL PRIMARY KEY,
    org            UUID NOT NULL,
    amount         BIGINT NOT NULL,
    session        TEXT UNIQUE,
    transaction_id UUID,
    created_at     BIGINT NOT NULL
);
CREATE INDEX payments_of_org ON payments (org, id);

-- What a payment provider told, each thing once.
CREATE TABLE payment_events (
    id TEXT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL
);
