-- What all accounts had together when user-service was asked last. It has one row.
CREATE TABLE wallet_totals (
    id      TINYINT        NOT NULL PRIMARY KEY,
    users   BIGINT         NOT NULL,
    money   DECIMAL(28, 2) NOT NULL,
    -- when it was so, on the clock of user-service's database
    true_at DATETIME(6)    NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
