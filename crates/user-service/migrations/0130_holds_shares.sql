-- if several are paid: who, and what became of each one's share, as JSON; NULL for a single receiver
ALTER TABLE holds ADD COLUMN shares TEXT NULL
