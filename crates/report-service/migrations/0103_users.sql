-- The users that user-service is known to have; nothing personal.
CREATE TABLE users (
    user_id BIGINT NOT NULL PRIMARY KEY
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
