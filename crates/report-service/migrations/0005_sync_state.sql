-- How far the feed of changes has been read, on transaction-service's clock, and when that was.
CREATE TABLE sync_state (
    feed       VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    changed_at DATETIME(6) NOT NULL,
    synced_at  DATETIME(6) NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
