ALTER TABLE operations
    -- of a refusal for a limit: which one, what was left of it then, and when that changes
    ADD COLUMN exceeded  VARCHAR(16)    CHARACTER SET ascii COLLATE ascii_bin NULL,
    ADD COLUMN remaining DECIMAL(28, 2) NULL,
    ADD COLUMN resets_at DATETIME(6)    NULL
