CREATE TABLE users (
    id            BIGINT         NOT NULL AUTO_INCREMENT PRIMARY KEY,
    full_name     VARCHAR(100)   NOT NULL,
    -- NULL once the account is closed, so that the address may be used again
    email         VARCHAR(254)   CHARACTER SET ascii COLLATE ascii_bin NULL,
    password_hash VARCHAR(255)   CHARACTER SET ascii COLLATE ascii_bin NULL,
    balance       DECIMAL(19, 2) NOT NULL DEFAULT 0,
    held          DECIMAL(19, 2) NOT NULL DEFAULT 0,
    -- how many transactions hold money for this user
    incoming      INT            NOT NULL DEFAULT 0,
    status        VARCHAR(8)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'active',
    created_at    DATETIME(6)    NOT NULL,
    updated_at    DATETIME(6)    NOT NULL,
    UNIQUE KEY users_email (email),
    CONSTRAINT users_balance_not_negative CHECK (balance >= 0),
    CONSTRAINT users_held_not_negative CHECK (held >= 0),
    CONSTRAINT users_status CHECK (status IN ('active', 'closed'))
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
