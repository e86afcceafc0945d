ALTER TABLE ledger_entries
    -- of a leg of an operation that is of several transactions: which one
    ADD COLUMN transaction_id BIGINT NULL