-- when it ended, which is not when it changed last; NULL before, and of those that ended before this was written down
ALTER TABLE transactions ADD COLUMN settled_at DATETIME(6) NULL
