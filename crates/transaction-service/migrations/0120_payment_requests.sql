-- What people ask each other for. What became of it follows from the ending, the transaction and the time: see
-- domain/payment_request.rs.
CREATE TABLE payment_requests (
    id             BIGINT         NOT NULL AUTO_INCREMENT PRIMARY KEY,
    -- what people know it by: nobody guesses it
    token          CHAR(32)       CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    payee_id       BIGINT         NOT NULL,
    amount         DECIMAL(19, 2) NOT NULL,
    description    VARCHAR(255)   NOT NULL,
    -- who alone may see and pay it; NULL if that is whoever has the token
    payer_email    VARCHAR(254)   CHARACTER SET ascii COLLATE ascii_bin NULL,
    -- that it was declined or withdrawn, and when
    ending         VARCHAR(16)    CHARACTER SET ascii COLLATE ascii_bin NULL,
    ended_at       DATETIME(6)    NULL,
    -- how often somebody has begun to pay it, and the transaction of the last time; they are written in one commit with that
    attempts       INT            NOT NULL DEFAULT 0,
    transaction_id BIGINT         NULL,
    created_at     DATETIME(6)    NOT NULL,
    expires_at     DATETIME(6)    NOT NULL,
    UNIQUE KEY payment_requests_token (token),
    KEY payment_requests_of_payee (payee_id, id),
    CONSTRAINT payment_requests_amount CHECK (amount > 0)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
