-- Backups that were proved: deploy/database/backup.sh writes them down, and /metrics shows the newest.
CREATE TABLE backups (
    id       BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
    -- UTC
    taken_at DATETIME     NOT NULL,
    file     VARCHAR(200) NOT NULL,
    bytes    BIGINT       NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
