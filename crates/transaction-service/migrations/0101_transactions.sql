CREATE TABLE transactions (
    id              BIGINT         NOT NULL AUTO_INCREMENT PRIMARY KEY,
    sender_id       BIGINT         NOT NULL,
    receiver_id     BIGINT         NOT NULL,
    amount          DECIMAL(19, 2) NOT NULL,
    description     VARCHAR(255)   NOT NULL,
    status          VARCHAR(16)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    -- the number of its last step, the outstanding one included
    step            SMALLINT UNSIGNED NOT NULL DEFAULT 1,
    -- while 'processing': the verb that user-service was or will be asked for, and the status it leads to
    verb            VARCHAR(16)    CHARACTER SET ascii COLLATE ascii_bin NULL,
    target          VARCHAR(16)    CHARACTER SET ascii COLLATE ascii_bin NULL,
    -- why it failed by itself, if it did
    failure         VARCHAR(32)    CHARACTER SET ascii COLLATE ascii_bin NULL,
    -- a decision's reason, written with the decision
    status_reason   VARCHAR(32)    CHARACTER SET ascii COLLATE ascii_bin NULL,
    -- who decided, or made it if nobody has; as logs name callers
    actor           VARCHAR(48)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    -- when user-service had set the money aside: from here on the transaction exists for its parties
    accepted_at     DATETIME(6)    NULL,
    -- when it was deleted for everybody, and when a party deleted it for itself
    hidden_at               DATETIME(6) NULL,
    hidden_from_sender_at   DATETIME(6) NULL,
    hidden_from_receiver_at DATETIME(6) NULL,
    -- when transaction-service acts by itself, on the database's clock: it settles a step, or cancels what is pending;
    -- NULL once the transaction is settled
    due_at          DATETIME(6)    NULL,
    settle_attempts INT            NOT NULL DEFAULT 0,
    -- the request that created it: caller, route and Idempotency-Key, or one of its kind
    request         VARCHAR(400)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    fingerprint     BINARY(32)     NOT NULL,
    -- rises with every change, so that a copy can tell which of two states is newer
    version         INT            NOT NULL DEFAULT 1,
    created_at      DATETIME(6)    NOT NULL,
    updated_at      DATETIME(6)    NOT NULL,
    -- orders the feed of changes; only the database's clock sets it
    changed_at      DATETIME(6)    NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
    -- each of these is written with every payment: another one must be worth it
    UNIQUE KEY transactions_request (request),
    KEY transactions_of_sender (sender_id, id),
    KEY transactions_of_receiver (receiver_id, id),
    KEY transactions_due (status, due_at),
    KEY transactions_changed (changed_at, id),
    CONSTRAINT transactions_amount CHECK (amount > 0),
    CONSTRAINT transactions_parties CHECK (sender_id <> receiver_id),
    CONSTRAINT transactions_verb CHECK ((status = 'processing') = (verb IS NOT NULL))
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
