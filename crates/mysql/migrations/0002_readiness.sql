-- What /ready writes, to know that something can be written.
CREATE TABLE readiness (
    id         TINYINT     NOT NULL PRIMARY KEY,
    written_at DATETIME(6) NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
