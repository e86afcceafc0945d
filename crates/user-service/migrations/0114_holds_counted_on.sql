-- the day on which it was counted against the sender's limits, so that a release gives back to that day; NULL if none applied
ALTER TABLE holds ADD COLUMN counted_on DATE NULL
