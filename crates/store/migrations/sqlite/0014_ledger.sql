-- The ledger, and what is billed. Organizations end, their books stay: there are no foreign keys to them.

-- One row a transaction, written after its entries: only entries that sum to zero get one. The id of a call is that of its attempt.
CREATE TABLE ledger_transactions (
    org     BLOB NOT NULL,
    id      BLOB NOT NULL,
    at      INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    subject TEXT NOT NULL,
    memo    TEXT NOT NULL,
    regards BLOB,
    PRIMARY KEY (org, id)
) STRICT, WITHOUT ROWID;
-- A crash is ruled on once, and a transaction undone once; a crash only one of both.
CREATE UNIQUE INDEX ledger_undone_once ON ledger_transactions (regards) WHERE kind IN ('crash_ruling', 'reversal');
CREATE UNIQUE INDEX ledger_invoiced_once ON ledger_transactions (subject) WHERE kind = 'invoice';
CREATE INDEX ledger_by_kind ON ledger_transactions (org, kind, id) WHERE kind <> 'usage';
CREATE INDEX ledger_crashes ON ledger_transactions (id) WHERE kind = 'crash';

-- Debit is positive, credit is negative. No commit leaves entries without their transaction.
CREATE TABLE ledger_entries (
    org     BLOB NOT NULL,
    id      BLOB NOT NULL,
    account TEXT NOT NULL,
    amount  INTEGER NOT NULL CHECK (amount <> 0),
    PRIMARY KEY (org, id, account),
    FOREIGN KEY (org, id) REFERENCES ledger_transactions (org, id) DEFERRABLE INITIALLY DEFERRED
) STRICT, WITHOUT ROWID;

-- A replacing insert deletes without asking the triggers that refuse it, so what is there is refused here.
CREATE TRIGGER ledger_transactions_balance BEFORE INSERT ON ledger_transactions
WHEN (SELECT COALESCE(SUM(amount), 1) FROM ledger_entries WHERE org = NEW.org AND id = NEW.id) <> 0
BEGIN
    SELECT RAISE(ABORT, 'the entries of a ledger transaction must sum to zero');
END;
CREATE TRIGGER ledger_transactions_are_new BEFORE INSERT ON ledger_transactions
WHEN EXISTS (SELECT 1 FROM ledger_transactions WHERE org = NEW.org AND id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;
CREATE TRIGGER ledger_transactions_keep_rows BEFORE DELETE ON ledger_transactions
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;
CREATE TRIGGER ledger_transactions_keep_values BEFORE UPDATE ON ledger_transactions
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;
CREATE TRIGGER ledger_entries_are_new BEFORE INSERT ON ledger_entries
WHEN EXISTS (SELECT 1 FROM ledger_transactions WHERE org = NEW.org AND id = NEW.id)
    OR EXISTS (SELECT 1 FROM ledger_entries WHERE org = NEW.org AND id = NEW.id AND account = NEW.account)
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;
CREATE TRIGGER ledger_entries_keep_rows BEFORE DELETE ON ledger_entries
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;
CREATE TRIGGER ledger_entries_keep_values BEFORE UPDATE ON ledger_entries
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;

-- The sums of the entries by UTC month (counted from January of year 0), written with them.
CREATE TABLE ledger_balances (
    org     BLOB NOT NULL,
    account TEXT NOT NULL,
    month   INTEGER NOT NULL,
    amount  INTEGER NOT NULL,
    PRIMARY KEY (org, account, month)
) STRICT, WITHOUT ROWID;

CREATE INDEX ledger_balances_of_month ON ledger_balances (month, org);

-- What calls were charged, ever, those included whose charge waits or was given back.
CREATE TABLE ledger_charged (
    org     BLOB NOT NULL PRIMARY KEY,
    charged INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Up to which row of the journal calls are in the ledger. Unlike the projections' marks it never goes back.
CREATE TABLE ledger_mark (
    seq INTEGER NOT NULL
) STRICT;
INSERT INTO ledger_mark (seq) VALUES (0);

-- Credit that was given away; `charged_at_end` once it has ended.
CREATE TABLE promo_grants (
    org            BLOB NOT NULL,
    id             BLOB NOT NULL,
    amount         INTEGER NOT NULL,
    expires_at     INTEGER,
    charged_before INTEGER NOT NULL,
    charged_at_end INTEGER,
    PRIMARY KEY (org, id),
    FOREIGN KEY (org, id) REFERENCES ledger_transactions (org, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX promo_grants_by_end ON promo_grants (expires_at) WHERE charged_at_end IS NULL;

-- Months that are closed: calls of later rows of the journal belong to the month after it.
CREATE TABLE closed_months (
    month     INTEGER NOT NULL PRIMARY KEY,
    seq       INTEGER NOT NULL,
    closed_at INTEGER NOT NULL
) STRICT;

-- What was used of the operator's credentials, by month.
CREATE TABLE billing_lines (
    org      BLOB NOT NULL,
    month    INTEGER NOT NULL,
    project  BLOB NOT NULL,
    provider TEXT NOT NULL,
    model    TEXT NOT NULL,
    bucket   TEXT NOT NULL,
    units    INTEGER NOT NULL,
    amount   INTEGER NOT NULL,
    calls    INTEGER NOT NULL,
    PRIMARY KEY (org, month, project, provider, model, bucket)
) STRICT, WITHOUT ROWID;
CREATE INDEX billing_lines_of_month ON billing_lines (month, org);
-- No call of the operator's credentials was made before.
INSERT INTO watermarks (projection, seq) SELECT 'billing_lines', MIN(seq) FROM watermarks;
