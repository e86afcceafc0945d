-- The copy of every transaction, as last taken over from transaction-service.
CREATE TABLE transactions (
    transaction_id      BIGINT         NOT NULL PRIMARY KEY,
    sender_id           BIGINT         NOT NULL,
    receiver_id         BIGINT         NOT NULL,
    amount              DECIMAL(19, 2) NOT NULL,
    status              VARCHAR(16)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    -- whose totals it is in
    counts_for_sender   BOOLEAN        NOT NULL,
    counts_for_receiver BOOLEAN        NOT NULL,
    version             INT            NOT NULL,
    created_at          DATETIME(6)    NOT NULL,
    -- a user's open ones, which are asked for again before its summary is answered
    KEY transactions_of_sender (sender_id, status, transaction_id),
    KEY transactions_of_receiver (receiver_id, status, transaction_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
