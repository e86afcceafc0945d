-- What became of each transaction's money: something of it is set aside as long as captured and released are less than the
-- amount. A row without a sender is a tombstone: the release came first, and no hold may follow.
CREATE TABLE holds (
    transaction_id BIGINT         NOT NULL PRIMARY KEY,
    sender_id      BIGINT         NULL,
    receiver_id    BIGINT         NULL,
    amount         DECIMAL(19, 2) NULL,
    -- what the receiver has got
    captured       DECIMAL(19, 2) NOT NULL DEFAULT 0,
    -- what the sender has back, or never gave because the hold was refused
    released       DECIMAL(19, 2) NOT NULL DEFAULT 0
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
