-- What was found, part by part, as JSON.
CREATE TABLE reconciliation_parts (
    reconciliation_id BIGINT     NOT NULL,
    number            INT        NOT NULL,
    lists             MEDIUMTEXT NOT NULL,
    PRIMARY KEY (reconciliation_id, number)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
