-- in which time zone the days of the overview begin; another one lets the feed be read from the beginning
ALTER TABLE sync_state ADD COLUMN zone VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL
