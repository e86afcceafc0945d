-- What was created on each day in the wallet's time zone, changed in the same database transaction as what it counts.
CREATE TABLE overview_days (
    day           DATE           NOT NULL,
    status        VARCHAR(16)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    transactions  BIGINT         NOT NULL,
    -- what payments of that day have paid, less what has gone back
    volume        DECIMAL(28, 2) NOT NULL,
    -- of how many it is known when they were settled, and how long that took together
    settled       BIGINT         NOT NULL,
    settle_micros DECIMAL(28, 0) NOT NULL,
    PRIMARY KEY (day, status)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
