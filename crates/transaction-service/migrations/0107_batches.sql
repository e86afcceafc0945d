-- Payments that were asked for together.
CREATE TABLE batches (
    id              BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
    -- whether all of them are made or none
    is_atomic       TINYINT      NOT NULL,
    -- when transaction-service asks again what came of an atomic one, on the database's clock; NULL once that is known
    due_at          DATETIME(6)  NULL,
    settle_attempts INT          NOT NULL DEFAULT 0,
    -- who asked for it, as logs name callers
    actor           VARCHAR(48)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    -- the request: caller, route and Idempotency-Key, or one of its kind
    request         VARCHAR(400) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    fingerprint     BINARY(32)   NOT NULL,
    created_at      DATETIME(6)  NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    UNIQUE KEY batches_request (request),
    KEY batches_due (due_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci