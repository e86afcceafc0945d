-- What users must be told, written with the fact; a row goes when notification-service has it.
CREATE TABLE outbox (
    id              BIGINT        NOT NULL AUTO_INCREMENT PRIMARY KEY,
    event_id        VARCHAR(64)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    user_id         BIGINT        NOT NULL,
    message         VARCHAR(1000) NOT NULL,
    attempts        INT           NOT NULL DEFAULT 0,
    next_attempt_at DATETIME(6)   NOT NULL DEFAULT CURRENT_TIMESTAMP(6)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
