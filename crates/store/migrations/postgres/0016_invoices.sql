-- One invoice for each organization and month, as it was made. Nothing changes or deletes one.
-- Numbers are compared by their bytes, as SQLite does.
CREATE TABLE invoices (
    number     TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    org        UUID NOT NULL,
    month      BIGINT NOT NULL,
    total      BIGINT NOT NULL,
    due        BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    body       TEXT NOT NULL,
    UNIQUE (org, month)
);
CREATE INDEX invoices_of_org ON invoices (org, number);
CREATE FUNCTION refuse_change_of_invoices() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'invoices are append-only';
END
$$;
CREATE TRIGGER invoices_keep_rows BEFORE DELETE OR UPDATE ON invoices
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_invoices();
CREATE TRIGGER invoices_keep_all BEFORE TRUNCATE ON invoices
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_invoices();

-- The last number of each year. Its row is the lock that keeps the numbers without gaps.
CREATE TABLE invoice_numbers (
    year BIGINT NOT NULL PRIMARY KEY,
    last BIGINT NOT NULL
);

-- Who an organization is on its invoices, and which taxes it is billed. The operator's own say who bills.
CREATE TABLE billing_terms (
    org        UUID NOT NULL PRIMARY KEY,
    body       TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);
