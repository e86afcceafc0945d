-- What anybody may be told of a statement that was issued, by its code. Nothing deletes them: they are good for ten years.
CREATE TABLE statements (
    code            CHAR(20)       CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    user_id         BIGINT         NOT NULL,
    -- from this moment on, and before that one
    begins_at       DATETIME(6)    NOT NULL,
    ends_at         DATETIME(6)    NOT NULL,
    opening_balance DECIMAL(28, 2) NOT NULL,
    closing_balance DECIMAL(28, 2) NOT NULL,
    total_in        DECIMAL(28, 2) NOT NULL,
    total_out       DECIMAL(28, 2) NOT NULL,
    entries         BIGINT         NOT NULL,
    issued_at       DATETIME(6)    NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
