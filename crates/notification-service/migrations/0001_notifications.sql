CREATE TABLE notifications (
    id              BIGINT        NOT NULL AUTO_INCREMENT PRIMARY KEY,
    -- the fact that it tells, if it came from an outbox: one notification for each
    event_id        VARCHAR(64)   CHARACTER SET ascii COLLATE ascii_bin NULL,
    user_id         BIGINT        NOT NULL,
    message         VARCHAR(1000) NOT NULL,
    status          VARCHAR(7)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'pending',
    failure_reason  VARCHAR(255)  NULL,
    -- how often the worker has tried to mail it
    attempts        INT UNSIGNED  NOT NULL DEFAULT 0,
    next_attempt_at DATETIME(6)   NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    -- who is mailing it at the moment, and until when nobody else may
    claim           VARCHAR(32)   CHARACTER SET ascii COLLATE ascii_bin NULL,
    claimed_until   DATETIME(6)   NULL,
    hidden_at       DATETIME(6)   NULL,
    created_at      DATETIME(6)   NOT NULL,
    updated_at      DATETIME(6)   NOT NULL,
    UNIQUE KEY notifications_event (event_id),
    KEY notifications_of_user (user_id, id),
    KEY notifications_to_send (status, next_attempt_at),
    CONSTRAINT notifications_status CHECK (status IN ('pending', 'sent', 'failed'))
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
