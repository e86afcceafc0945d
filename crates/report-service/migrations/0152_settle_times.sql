-- How many of the transactions of a day, and of a month, took about so long to settle.
CREATE TABLE settle_times (
    span         VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    starts_on    DATE       NOT NULL,
    -- see `domain/settle_time.rs`
    bucket       SMALLINT   NOT NULL,
    transactions BIGINT     NOT NULL,
    PRIMARY KEY (span, starts_on, bucket)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
