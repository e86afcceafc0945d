-- What the access tokens of an account carry besides its id, which a backup that is restored gives away anew: drawn when the
-- account is opened and with each new password; 0 for accounts from before.
ALTER TABLE users
    ADD COLUMN token_key BIGINT NOT NULL DEFAULT 0
