-- Append-only double entry: the legs of an operation, however many, sum to 0. Only the verification reads them back, all of
-- them, so there is no index on the user: it would cost each payment more than the entries themselves.
CREATE TABLE ledger_entries (
    operation_id  BIGINT         NOT NULL,
    leg           SMALLINT       NOT NULL,
    -- 'available', 'held' or 'external'
    account       VARCHAR(16)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    user_id       BIGINT         NOT NULL,
    amount        DECIMAL(28, 2) NOT NULL,
    -- NULL for 'external', which has no balance
    balance_after DECIMAL(28, 2) NULL,
    PRIMARY KEY (operation_id, leg),
    CONSTRAINT ledger_entries_operation FOREIGN KEY (operation_id) REFERENCES operations (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
