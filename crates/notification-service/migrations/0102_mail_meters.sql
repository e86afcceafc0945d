-- How much mail each user has caused of late: see fairness.rs.
CREATE TABLE mail_meters (
    user_id    BIGINT      NOT NULL,
    meter      VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    -- each mail moves it on by its share of a minute, from now if it has passed
    runs_until DATETIME(6) NOT NULL,
    PRIMARY KEY (user_id, meter)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
