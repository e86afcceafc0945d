ALTER TABLE transactions
    -- the caller's own name for it
    ADD COLUMN reference VARCHAR(100) NULL,
    -- strings by their keys, as JSON
    ADD COLUMN metadata  TEXT         NULL