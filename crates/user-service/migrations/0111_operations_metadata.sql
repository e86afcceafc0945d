ALTER TABLE operations
    -- what the caller wrote on it besides its note: strings by their keys, as JSON
    ADD COLUMN metadata TEXT NULL