-- when it was settled, on transaction-service's clock; NULL while it is open, and of one that was taken over before this was written down
ALTER TABLE transactions ADD COLUMN settled_at DATETIME(6) NULL
