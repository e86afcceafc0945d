ALTER TABLE ledger_entries
    -- true for a leg that gives a fee to its receiver; NULL for all others
    ADD COLUMN is_fee BOOLEAN NULL
