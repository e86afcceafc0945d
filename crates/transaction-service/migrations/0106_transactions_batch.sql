ALTER TABLE transactions
    -- the batch that it was made with, if it was
    ADD COLUMN batch_id BIGINT NULL