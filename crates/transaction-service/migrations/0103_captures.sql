-- Captures of an amount; one of everything that was set aside has no row.
CREATE TABLE captures (
    id             BIGINT         NOT NULL AUTO_INCREMENT PRIMARY KEY,
    transaction_id BIGINT         NOT NULL,
    -- which step of the transaction it is
    step           SMALLINT UNSIGNED NOT NULL,
    -- whether it was to be the last one
    is_final       TINYINT        NOT NULL,
    -- what the receiver has got by then, this capture included
    captured_after DECIMAL(19, 2) NOT NULL,
    -- what was refunded by then
    refunded       DECIMAL(19, 2) NOT NULL,
    -- when it took effect
    settled_at     DATETIME(6)    NULL,
    -- the request: caller, route and Idempotency-Key, if it had one
    request        VARCHAR(400)   CHARACTER SET ascii COLLATE ascii_bin NULL,
    fingerprint    BINARY(32)     NULL,
    created_at     DATETIME(6)    NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    UNIQUE KEY captures_request (request),
    KEY captures_step (transaction_id, step)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
