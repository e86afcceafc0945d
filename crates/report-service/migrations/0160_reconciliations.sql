-- Files that were compared with the entries, and how many of their lines and entries agree.
CREATE TABLE reconciliations (
    id            BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
    from_day      DATE         NOT NULL,
    to_day        DATE         NOT NULL,
    -- whatever was committed before is compared, on the clock of user-service's database
    as_of         DATETIME(6)  NOT NULL,
    matched       INT          NOT NULL,
    differing     INT          NOT NULL,
    missing_here  INT          NOT NULL,
    missing_there INT          NOT NULL,
    -- caller, route and Idempotency-Key, if the request had one
    request       VARCHAR(400) CHARACTER SET ascii COLLATE ascii_bin NULL,
    fingerprint   BINARY(32)   NULL,
    created_at    DATETIME(6)  NOT NULL,
    UNIQUE KEY reconciliations_request (request)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
