-- Attempts to log in that have not succeeded, for each account, known or not, and for each client's address.
CREATE TABLE login_attempts (
    -- SHA-256 of the account's or the client's address: what people type by mistake is not kept
    subject       BINARY(32)  NOT NULL PRIMARY KEY,
    failures      INT         NOT NULL,
    -- no attempt is taken before
    blocked_until DATETIME(6) NOT NULL,
    KEY login_attempts_old (blocked_until)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
