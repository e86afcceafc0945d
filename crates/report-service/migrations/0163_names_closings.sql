-- how often the account of this number was closed: a name that was asked for before the last time is not kept. Without a name it is empty
ALTER TABLE names ADD COLUMN closings INT NOT NULL DEFAULT 0
