-- Which server may write: each that gets the lock begins a term, and whoever is of an older one has been taken over from. There is one row.
CREATE TABLE server_term (
    term BIGINT NOT NULL
);
INSERT INTO server_term (term) VALUES (0);
