-- Totals of each user, changed in the same database transaction as the copies that they count.
CREATE TABLE summaries (
    user_id            BIGINT         NOT NULL PRIMARY KEY,
    total_transactions BIGINT         NOT NULL,
    total_spent        DECIMAL(27, 2) NOT NULL,
    total_received     DECIMAL(27, 2) NOT NULL,
    last_transaction   DATETIME(6)    NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
