-- Top-ups, credits and debits that carry a reference, of all users, in the order of their time: what other books know, too.
CREATE TABLE entry_references (
    generation INT            NOT NULL,
    created_at DATETIME(6)    NOT NULL,
    entry_id   BIGINT         NOT NULL,
    user_id    BIGINT         NOT NULL,
    kind       VARCHAR(16)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    amount     DECIMAL(28, 2) NOT NULL,
    reference  VARCHAR(255)   NOT NULL,
    PRIMARY KEY (generation, created_at, entry_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
