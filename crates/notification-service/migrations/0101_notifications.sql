CREATE TABLE notifications (
    id              BIGINT        NOT NULL AUTO_INCREMENT PRIMARY KEY,
    -- the fact that it tells, of which each user is told once; or the request that made it
    fact_id         VARCHAR(64)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    user_id         BIGINT        NOT NULL,
    message         VARCHAR(1000) NOT NULL,
    -- 'pending', 'sent' or 'failed'
    status          VARCHAR(16)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'pending',
    failure_reason  VARCHAR(255)  NULL,
    -- the address to which it goes if not to that of the account; empty once it has been mailed or given up
    address         VARCHAR(254)  CHARACTER SET ascii COLLATE ascii_bin NULL,
    -- in which order they are mailed, lower lanes first, so that nobody's hold up another's: see fairness.rs
    lane            SMALLINT      NOT NULL DEFAULT 0,
    -- how often the worker has tried to mail it
    attempts        INT UNSIGNED  NOT NULL DEFAULT 0,
    next_attempt_at DATETIME(6)   NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    -- who is mailing it at the moment, and until when nobody else may
    claim           VARCHAR(32)   CHARACTER SET ascii COLLATE ascii_bin NULL,
    claimed_until   DATETIME(6)   NULL,
    -- the place in a trace from which mailing it goes on (W3C's traceparent)
    traceparent     CHAR(55)      CHARACTER SET ascii COLLATE ascii_bin NULL,
    hidden_at       DATETIME(6)   NULL,
    created_at      DATETIME(6)   NOT NULL,
    updated_at      DATETIME(6)   NOT NULL,
    UNIQUE KEY notifications_fact (fact_id, user_id),
    KEY notifications_of_user (user_id, id),
    KEY notifications_by_lane (status, lane, next_attempt_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
