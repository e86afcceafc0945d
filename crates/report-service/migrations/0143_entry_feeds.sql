-- How far the ledger's feed has been read: 'entries' is what is read, 'rebuild' what a rebuild under way has come to. Whoever takes
-- entries over locks the row.
CREATE TABLE entry_feeds (
    feed        VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    -- the generation that it writes
    generation  INT         NOT NULL,
    -- the last operation of the ledger that was taken over
    position    BIGINT      NOT NULL,
    -- all that was committed in the ledger before is taken over, on user-service's clock
    true_at     DATETIME(6) NOT NULL,
    -- since when this generation is read, on this database's clock; older ones go a while later
    switched_at DATETIME(6) NOT NULL,
    -- the oldest generation of which there may be rows
    oldest      INT         NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
