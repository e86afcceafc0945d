-- Whose totals a copy is in. The versions before counted each transaction for both parties.
ALTER TABLE transactions
    ADD COLUMN counts_for_sender   BOOLEAN NOT NULL DEFAULT TRUE,
    ADD COLUMN counts_for_receiver BOOLEAN NOT NULL DEFAULT TRUE
