-- if each run pays several: who, and how much each, as JSON; NULL for one receiver
ALTER TABLE schedules ADD COLUMN shares TEXT NULL
