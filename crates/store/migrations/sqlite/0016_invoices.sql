-- One invoice for each organization and month, as it was made. Nothing changes or deletes one.
CREATE TABLE invoices (
    number     TEXT NOT NULL PRIMARY KEY,
    org        BLOB NOT NULL,
    month      INTEGER NOT NULL,
    total      INTEGER NOT NULL,
    due        INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    body       TEXT NOT NULL,
    UNIQUE (org, month)
) STRICT;
CREATE INDEX invoices_of_org ON invoices (org, number);
CREATE TRIGGER invoices_are_new BEFORE INSERT ON invoices
WHEN EXISTS (SELECT 1 FROM invoices WHERE number = NEW.number)
BEGIN
    SELECT RAISE(ABORT, 'invoices are append-only');
END;
CREATE TRIGGER invoices_keep_rows BEFORE DELETE ON invoices
BEGIN
    SELECT RAISE(ABORT, 'invoices are append-only');
END;
CREATE TRIGGER invoices_keep_values BEFORE UPDATE ON invoices
BEGIN
    SELECT RAISE(ABORT, 'invoices are append-only');
END;

-- The last number of each year. Its row is the lock that keeps the numbers without gaps.
CREATE TABLE invoice_numbers (
    year INTEGER NOT NULL PRIMARY KEY,
    last INTEGER NOT NULL
) STRICT;

-- Who an organization is on its invoices, and which taxes it is billed. The operator's own say who bills.
CREATE TABLE billing_terms (
    org        BLOB NOT NULL PRIMARY KEY,
    body       TEXT NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
