-- A budget's policy says what it limits; its columns are only what it is found by.
ALTER TABLE budgets DROP COLUMN provider;
ALTER TABLE budgets DROP COLUMN model;
ALTER TABLE budgets DROP COLUMN end_user;
ALTER TABLE budgets DROP COLUMN limit_nanos;
ALTER TABLE budgets DROP COLUMN window_kind;
ALTER TABLE budgets DROP COLUMN mode;
DROP INDEX budgets_of_agent;
CREATE INDEX budgets_of_holder ON budgets (org, agent, project);

-- What holds for everything in an organization or a project: one row for each, always. The server makes the missing ones when it starts.
CREATE TABLE scope_policies (
    id         BLOB NOT NULL PRIMARY KEY,
    org        BLOB NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    project    BLOB,
    policy     BLOB NOT NULL,
    mac        BLOB NOT NULL,
    updated_at INTEGER NOT NULL,
    FOREIGN KEY (org, project) REFERENCES projects (org, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX scope_policies_of_org ON scope_policies (org);
