-- what the sender has got back of what was captured
ALTER TABLE holds ADD COLUMN refunded DECIMAL(19, 2) NOT NULL DEFAULT 0
