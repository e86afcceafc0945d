-- Every movement of money, and every refusal of one, has one row; its reference is its identity.
CREATE TABLE operations (
    id             BIGINT         NOT NULL AUTO_INCREMENT PRIMARY KEY,
    reference      VARCHAR(400)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    fingerprint    BINARY(32)     NOT NULL,
    kind           VARCHAR(16)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    -- the transaction that it is a step of
    transaction_id BIGINT         NULL,
    -- the user whose balance is answered
    user_id        BIGINT         NULL,
    balance_after  DECIMAL(28, 2) NULL,
    -- NULL if the operation was applied
    refusal        VARCHAR(32)    CHARACTER SET ascii COLLATE ascii_bin NULL,
    note           VARCHAR(255)   NULL,
    -- who asked for it, as logs name callers, and within which request
    actor          VARCHAR(48)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    request_id     VARCHAR(64)    CHARACTER SET ascii COLLATE ascii_bin NULL,
    created_at     DATETIME(6)    NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    UNIQUE KEY operations_reference (reference)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
