-- what of it the overview counts, as JSON: version, day, status, volume, and microseconds until it was settled; NULL if nothing yet
ALTER TABLE transactions ADD COLUMN counted VARCHAR(96) CHARACTER SET ascii COLLATE ascii_bin NULL
