-- A note signed by the key of the audit log, which says that the retention removed the entries up to here: who can write the database, and
-- has no key, can write the number. What was removed before has none until the next removal, which covers it.
ALTER TABLE audit_pruned ADD COLUMN note TEXT;
