-- How users are shown to each other, as user-service said last; gone once the account is closed.
CREATE TABLE names (
    user_id      BIGINT       NOT NULL PRIMARY KEY,
    display_name VARCHAR(255) NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
