-- The shares of transactions with several receivers.
CREATE TABLE transaction_shares (
    transaction_id BIGINT         NOT NULL,
    user_id        BIGINT         NOT NULL,
    amount         DECIMAL(19, 2) NOT NULL,
    -- whether the transaction may still change its status, and whether it is in the user's totals
    is_open        BOOLEAN        NOT NULL,
    counts         BOOLEAN        NOT NULL,
    PRIMARY KEY (transaction_id, user_id),
    KEY transaction_shares_of_user (user_id, is_open, transaction_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
