-- In which order notifications are mailed, lower lanes first, so that nobody's hold up another's: see fairness.rs.
-- The address to which one goes if not to that of the account; empty once it has been mailed or given up.
ALTER TABLE notifications
    ADD COLUMN lane    SMALLINT     NOT NULL DEFAULT 0,
    ADD COLUMN address VARCHAR(254) CHARACTER SET ascii COLLATE ascii_bin NULL
