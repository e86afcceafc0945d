CREATE TABLE reports (
    id             BIGINT      NOT NULL AUTO_INCREMENT PRIMARY KEY,
    user_id        BIGINT      NOT NULL,
    transaction_id BIGINT      NOT NULL,
    created_at     DATETIME(6) NOT NULL,
    -- in this order, so that a user's list has but one index to choose
    UNIQUE KEY reports_subject (transaction_id, user_id),
    KEY reports_of_user (user_id, id),
    CONSTRAINT reports_transaction FOREIGN KEY (transaction_id) REFERENCES transactions (transaction_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
