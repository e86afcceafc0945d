-- The totals as they exactly were at a moment, for when nothing newer can be told. Moments are those of transaction-service.
ALTER TABLE summaries
    -- the newest change that the totals count; they may lack others before it
    ADD COLUMN changed_to             DATETIME(6)    NULL,
    -- a request has seen all of the user's transactions that were inserted before, less an overlap
    ADD COLUMN walked_to              DATETIME(6)    NULL,
    ADD COLUMN published_at           DATETIME(6)    NULL,
    ADD COLUMN published_transactions BIGINT         NULL,
    ADD COLUMN published_spent        DECIMAL(28, 2) NULL,
    ADD COLUMN published_received     DECIMAL(28, 2) NULL,
    ADD COLUMN published_last         DATETIME(6)    NULL
