-- What each item of a batch came to: a transaction, or what was wrong with it.
CREATE TABLE batch_items (
    batch_id       BIGINT            NOT NULL,
    -- its place, from 0
    item           SMALLINT UNSIGNED NOT NULL,
    transaction_id BIGINT            NULL,
    -- the code of the error, and what is wrong with each field, as JSON
    fault          TEXT              NULL,
    PRIMARY KEY (batch_id, item)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci