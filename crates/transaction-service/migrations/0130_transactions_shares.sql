-- if several are paid, or give a refund: who, and what became of each one's share, as JSON; NULL for one receiver
ALTER TABLE transactions ADD COLUMN shares TEXT NULL
