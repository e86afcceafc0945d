-- When the last run that came to its end began, on transaction-service's clock: all that was committed by then was taken over.
ALTER TABLE sync_state
    ADD COLUMN true_at DATETIME(6) NULL
