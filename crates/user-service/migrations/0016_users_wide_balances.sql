-- Wide enough that no number of payments reaches the end of the column: a payer must not learn a receiver's balance.
ALTER TABLE users
    MODIFY COLUMN balance DECIMAL(28, 2) NOT NULL DEFAULT 0,
    MODIFY COLUMN held    DECIMAL(28, 2) NOT NULL DEFAULT 0
