-- What belongs to one party alone, and why a transaction ended. All NULL in rows of the versions before.
ALTER TABLE transactions
    -- a decision's reason, written with the decision; why it failed by itself is in `failure`
    ADD COLUMN status_reason           VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NULL,
    -- when a party deleted it for itself; `hidden_at` hides it from everybody
    ADD COLUMN hidden_from_sender_at   DATETIME(6) NULL,
    ADD COLUMN hidden_from_receiver_at DATETIME(6) NULL
