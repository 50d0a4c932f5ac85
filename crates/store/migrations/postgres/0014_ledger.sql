-- The ledger, and what is billed. Organizations end, their books stay: there are no foreign keys to them.

-- One row a transaction, written after its entries: only entries that sum to zero get one. The id of a call is that of its attempt.
CREATE TABLE ledger_transactions (
    org     UUID NOT NULL,
    id      UUID NOT NULL,
    at      BIGINT NOT NULL,
    kind    TEXT NOT NULL,
    subject TEXT NOT NULL,
    memo    TEXT NOT NULL,
    regards UUID,
    PRIMARY KEY (org, id)
);
-- A crash is ruled on once, and a transaction undone once; a crash only one of both.
CREATE UNIQUE INDEX ledger_undone_once ON ledger_transactions (regards) WHERE kind IN ('crash_ruling', 'reversal');
CREATE UNIQUE INDEX ledger_invoiced_once ON ledger_transactions (subject) WHERE kind = 'invoice';
CREATE INDEX ledger_by_kind ON ledger_transactions (org, kind, id) WHERE kind <> 'usage';
CREATE INDEX ledger_crashes ON ledger_transactions (id) WHERE kind = 'crash';

-- Debit is positive, credit is negative. No commit leaves entries without their transaction.
CREATE TABLE ledger_entries (
    org     UUID NOT NULL,
    id      UUID NOT NULL,
    account TEXT NOT NULL,
    amount  BIGINT NOT NULL CHECK (amount <> 0),
    PRIMARY KEY (org, id, account),
    FOREIGN KEY (org, id) REFERENCES ledger_transactions (org, id) DEFERRABLE INITIALLY DEFERRED
);

CREATE FUNCTION refuse_change_of_ledger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only';
END
$$;
CREATE FUNCTION refuse_unbalanced_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT COALESCE(SUM(amount), 1) FROM ledger_entries WHERE org = NEW.org AND id = NEW.id) <> 0 THEN
        RAISE EXCEPTION 'the entries of a ledger transaction must sum to zero';
    END IF;
    RETURN NEW;
END
$$;
CREATE FUNCTION refuse_late_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM ledger_transactions WHERE org = NEW.org AND id = NEW.id) THEN
        RAISE EXCEPTION 'the ledger is append-only';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER ledger_transactions_balance BEFORE INSERT ON ledger_transactions
    FOR EACH ROW EXECUTE FUNCTION refuse_unbalanced_transaction();
CREATE TRIGGER ledger_transactions_keep_rows BEFORE DELETE OR UPDATE ON ledger_transactions
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_ledger();
CREATE TRIGGER ledger_transactions_keep_all BEFORE TRUNCATE ON ledger_transactions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_ledger();
CREATE TRIGGER ledger_entries_are_new BEFORE INSERT ON ledger_entries
    FOR EACH ROW EXECUTE FUNCTION refuse_late_entry();
CREATE TRIGGER ledger_entries_keep_rows BEFORE DELETE OR UPDATE ON ledger_entries
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_ledger();
CREATE TRIGGER ledger_entries_keep_all BEFORE TRUNCATE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_ledger();

-- The sums of the entries by UTC month (counted from January of year 0), written with them.
CREATE TABLE ledger_balances (
    org     UUID NOT NULL,
    account TEXT NOT NULL,
    month   BIGINT NOT NULL,
    amount  BIGINT NOT NULL,
    PRIMARY KEY (org, account, month)
);

CREATE INDEX ledger_balances_of_month ON ledger_balances (month, org);

-- What calls were charged, ever, those included whose charge waits or was given back.
CREATE TABLE ledger_charged (
    org     UUID NOT NULL PRIMARY KEY,
    charged BIGINT NOT NULL
);

-- Up to which row of the journal calls are in the ledger. Unlike the projections' marks it never goes back.
CREATE TABLE ledger_mark (
    seq BIGINT NOT NULL
);
INSERT INTO ledger_mark (seq) VALUES (0);

-- Credit that was given away; `charged_at_end` once it has ended.
CREATE TABLE promo_grants (
    org            UUID NOT NULL,
    id             UUID NOT NULL,
    amount         BIGINT NOT NULL,
    expires_at     BIGINT,
    charged_before BIGINT NOT NULL,
    charged_at_end BIGINT,
    PRIMARY KEY (org, id),
    FOREIGN KEY (org, id) REFERENCES ledger_transactions (org, id)
);
CREATE INDEX promo_grants_by_end ON promo_grants (expires_at) WHERE charged_at_end IS NULL;

-- Months that are closed: calls of later rows of the journal belong to the month after it.
CREATE TABLE closed_months (
    month     BIGINT NOT NULL PRIMARY KEY,
    seq       BIGINT NOT NULL,
    closed_at BIGINT NOT NULL
);

-- What was used of the operator's credentials, by month.
CREATE TABLE billing_lines (
    org      UUID NOT NULL,
    month    BIGINT NOT NULL,
    project  UUID NOT NULL,
    provider TEXT NOT NULL,
    model    TEXT NOT NULL,
    bucket   TEXT NOT NULL,
    units    BIGINT NOT NULL,
    amount   BIGINT NOT NULL,
    calls    BIGINT NOT NULL,
    PRIMARY KEY (org, month, project, provider, model, bucket)
);
CREATE INDEX billing_lines_of_month ON billing_lines (month, org);
-- No call of the operator's credentials was made before.
INSERT INTO watermarks (projection, seq) SELECT 'billing_lines', MIN(seq) FROM watermarks;
