-- As wide as the balances: the last entry of an account that is closed pays out all of it.
ALTER TABLE ledger_entries
    MODIFY COLUMN amount        DECIMAL(28, 2) NOT NULL,
    MODIFY COLUMN balance_after DECIMAL(28, 2) NULL
