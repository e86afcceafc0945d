-- What became of each transaction's money. A `released` row without a sender is a tombstone: the release came first.
CREATE TABLE holds (
    transaction_id BIGINT         NOT NULL PRIMARY KEY,
    sender_id      BIGINT         NULL,
    receiver_id    BIGINT         NULL,
    amount         DECIMAL(19, 2) NULL,
    state          VARCHAR(8)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    CONSTRAINT holds_state CHECK (state IN ('held', 'captured', 'released', 'rejected'))
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
