-- Between which pages the calls of a time stand, so that a list of some time reads no page of another: the first and the last of the
-- organization's pages whose oldest or newest call is of the hour. `hour` counts from 1970.
CREATE TABLE request_hours (
    org      BLOB NOT NULL,
    hour     INTEGER NOT NULL,
    least    INTEGER NOT NULL,
    greatest INTEGER NOT NULL,
    PRIMARY KEY (org, hour)
) STRICT, WITHOUT ROWID;
INSERT INTO request_hours (org, hour, least, greatest)
SELECT org, hour, MIN(first), MAX(first)
FROM (
    SELECT org, since / 3600000000 AS hour, first FROM request_pages
    UNION ALL
    SELECT org, until / 3600000000, first FROM request_pages
) AS ends
GROUP BY org, hour;
