ALTER TABLE transactions
    -- of a capture that is outstanding: how much; NULL is all that is left
    ADD COLUMN step_amount     DECIMAL(19, 2) NULL,
    -- what the receiver has got; NULL is all of it once it is completed, and nothing before
    ADD COLUMN captured_amount DECIMAL(19, 2) NULL,
    -- what the sender has got back of that
    ADD COLUMN refunded_amount DECIMAL(19, 2) NULL,
    -- of a refund: the transaction whose money goes back
    ADD COLUMN refund_of       BIGINT         NULL
