-- How far the feed of changes has been read, on transaction-service's clock.
CREATE TABLE sync_state (
    feed        VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    -- the next run goes on from here, less an overlap
    changed_at  DATETIME(6) NOT NULL,
    -- every transaction that was inserted before, less an overlap, has a copy; NULL until a run has come to its end
    complete_to DATETIME(6) NULL,
    -- when that run began, on this service's clock
    synced_at   DATETIME(6) NULL,
    -- when the last run that came to its end began: all that was committed by then was taken over
    true_at     DATETIME(6) NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
