-- What has happened, written in the transaction in which it happens; a row goes when notification-service has it.
CREATE TABLE outbox (
    id              BIGINT      NOT NULL AUTO_INCREMENT PRIMARY KEY,
    -- JSON: see fact.rs
    fact            TEXT        NOT NULL,
    attempts        INT         NOT NULL DEFAULT 0,
    next_attempt_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    created_at      DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
