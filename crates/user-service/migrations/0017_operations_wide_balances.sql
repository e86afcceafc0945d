-- As wide as the balance that it repeats.
ALTER TABLE operations
    MODIFY COLUMN balance_after DECIMAL(28, 2) NULL
