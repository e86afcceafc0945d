ALTER TABLE transactions
    -- what was written on it, and what its caller calls it
    ADD COLUMN description TEXT         NULL,
    ADD COLUMN reference   VARCHAR(255) NULL
