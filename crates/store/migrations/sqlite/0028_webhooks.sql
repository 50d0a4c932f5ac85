-- Where organizations are told of their events, and every message on its way there.

-- The secret is sealed under the organization's KEK and bound to the address. The one before it signs, too, until `previous_until`.
CREATE TABLE webhooks (
    id             BLOB NOT NULL PRIMARY KEY,
    org            BLOB NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    name           TEXT,
    url            TEXT NOT NULL,
    events         TEXT NOT NULL,
    description    TEXT NOT NULL,
    state          TEXT NOT NULL CHECK (state IN ('active', 'disabled', 'failing', 'gone', 'lost')),
    secret         BLOB NOT NULL,
    previous       BLOB,
    previous_until INTEGER,
    kek            BLOB NOT NULL,
    failures       INTEGER NOT NULL,
    failing_since  INTEGER,
    tried_at       INTEGER NOT NULL,
    next_at        INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    UNIQUE (org, name)
) STRICT;
CREATE INDEX webhooks_of_org ON webhooks (org, id);

CREATE TABLE webhook_deliveries (
    id         BLOB NOT NULL PRIMARY KEY,
    webhook    BLOB NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event      BLOB NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    state      TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'dead')),
    attempts   INTEGER NOT NULL,
    made_at    INTEGER NOT NULL,
    next_at    INTEGER NOT NULL,
    give_up_at INTEGER NOT NULL,
    tried_at   INTEGER,
    status     INTEGER,
    answer     TEXT,
    error      TEXT,
    UNIQUE (webhook, event)
) STRICT;
CREATE INDEX webhook_deliveries_of ON webhook_deliveries (webhook, id);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook, next_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_late ON webhook_deliveries (give_up_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (made_at) WHERE state <> 'pending';
CREATE INDEX webhook_deliveries_events ON webhook_deliveries (event);
