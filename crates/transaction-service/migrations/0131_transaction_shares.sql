-- Whose shares a transaction has, beyond the first: that one is its receiver, or the sender of a refund. One with a single receiver has
-- no row.
CREATE TABLE transaction_shares (
    user_id BIGINT NOT NULL,
    -- the transaction's
    id      BIGINT NOT NULL,
    PRIMARY KEY (user_id, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
