-- How far each user's entries go: the next one must begin with this balance.
CREATE TABLE entry_accounts (
    generation INT            NOT NULL,
    user_id    BIGINT         NOT NULL,
    -- of the newest entry
    entry_id   BIGINT         NOT NULL,
    created_at DATETIME(6)    NOT NULL,
    balance    DECIMAL(28, 2) NOT NULL,
    PRIMARY KEY (generation, user_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
