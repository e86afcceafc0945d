-- Totals of each user, changed in the same database transaction as the copies that they count; and the totals as they exactly
-- were at a moment, for when nothing newer can be told. Moments are those of transaction-service.
CREATE TABLE summaries (
    user_id                BIGINT         NOT NULL PRIMARY KEY,
    total_transactions     BIGINT         NOT NULL,
    total_spent            DECIMAL(28, 2) NOT NULL,
    total_received         DECIMAL(28, 2) NOT NULL,
    last_transaction       DATETIME(6)    NULL,
    -- the newest change that the totals count; they may lack others before it
    changed_to             DATETIME(6)    NULL,
    -- a request has seen all of the user's transactions that were inserted before, less an overlap
    walked_to              DATETIME(6)    NULL,
    published_at           DATETIME(6)    NULL,
    published_transactions BIGINT         NULL,
    published_spent        DECIMAL(28, 2) NULL,
    published_received     DECIMAL(28, 2) NULL,
    published_last         DATETIME(6)    NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
