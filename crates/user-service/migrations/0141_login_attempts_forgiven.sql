-- until when failures of a network address were forgiven, one for each quarter of an hour; NULL for an account, and before the first time
ALTER TABLE login_attempts ADD COLUMN forgiven_until DATETIME(6) NULL
