-- What transactions are found by: their reference, and each entry of their metadata. One that has neither has no row.
CREATE TABLE transaction_labels (
    -- for whom: each party, and 0 for those who see everybody's
    user_id BIGINT     NOT NULL,
    -- a digest of the key and the value
    lookup  BINARY(16) NOT NULL,
    -- the transaction's
    id      BIGINT     NOT NULL,
    PRIMARY KEY (user_id, lookup, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci