-- People, and what they log in with; their money is in accounts.
CREATE TABLE users (
    id            BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
    full_name     VARCHAR(100) NOT NULL,
    -- NULL once the account is closed, so that the address may be used again
    email         VARCHAR(254) CHARACTER SET ascii COLLATE ascii_bin NULL,
    password_hash VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NULL,
    -- what the access tokens of an account carry besides its id, which a backup that is restored gives away anew: drawn
    -- when the account is opened and with each new password
    token_key     BIGINT       NOT NULL DEFAULT 0,
    created_at    DATETIME(6)  NOT NULL,
    updated_at    DATETIME(6)  NOT NULL,
    closed_at     DATETIME(6)  NULL,
    UNIQUE KEY users_email (email)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
