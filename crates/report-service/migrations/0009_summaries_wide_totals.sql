-- As wide as the balances that they add up to.
ALTER TABLE summaries
    MODIFY COLUMN total_spent    DECIMAL(28, 2) NOT NULL,
    MODIFY COLUMN total_received DECIMAL(28, 2) NOT NULL
