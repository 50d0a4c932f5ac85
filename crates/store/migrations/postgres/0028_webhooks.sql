-- Where organizations are told of their events, and every message on its way there.

-- The secret is sealed under the organization's KEK and bound to the address. The one before it signs, too, until `previous_until`.
CREATE TABLE webhooks (
    id             UUID NOT NULL PRIMARY KEY,
    org            UUID NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    name           TEXT,
    url            TEXT NOT NULL,
    events         TEXT NOT NULL,
    description    TEXT NOT NULL,
    state          TEXT NOT NULL CHECK (state IN ('active', 'disabled', 'failing', 'gone', 'lost')),
    secret         BYTEA NOT NULL,
    previous       BYTEA,
    previous_until BIGINT,
    kek            UUID NOT NULL,
    failures       BIGINT NOT NULL,
    failing_since  BIGINT,
    tried_at       BIGINT NOT NULL,
    next_at        BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    UNIQUE (org, name)
);
CREATE INDEX webhooks_of_org ON webhooks (org, id);

CREATE TABLE webhook_deliveries (
    id         UUID NOT NULL PRIMARY KEY,
    webhook    UUID NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event      UUID NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    state      TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'dead')),
    attempts   BIGINT NOT NULL,
    made_at    BIGINT NOT NULL,
    next_at    BIGINT NOT NULL,
    give_up_at BIGINT NOT NULL,
    tried_at   BIGINT,
    status     BIGINT,
    answer     TEXT,
    error      TEXT,
    UNIQUE (webhook, event)
);
CREATE INDEX webhook_deliveries_of ON webhook_deliveries (webhook, id);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook, next_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_late ON webhook_deliveries (give_up_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (made_at) WHERE state <> 'pending';
CREATE INDEX webhook_deliveries_events ON webhook_deliveries (event);
