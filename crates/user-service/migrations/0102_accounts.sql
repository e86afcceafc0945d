-- The money of each user. Whoever moves it locks the row, and decides on what stands there.
CREATE TABLE accounts (
    user_id   BIGINT         NOT NULL PRIMARY KEY,
    -- wide enough that no number of payments reaches its end: a payer must not learn a receiver's balance
    available DECIMAL(28, 2) NOT NULL DEFAULT 0,
    held      DECIMAL(28, 2) NOT NULL DEFAULT 0,
    -- how many transactions hold money for this user
    incoming  INT            NOT NULL DEFAULT 0,
    -- 'active' or 'closed'
    state     VARCHAR(16)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'active',
    CONSTRAINT accounts_available_not_negative CHECK (available >= 0),
    CONSTRAINT accounts_held_not_negative CHECK (held >= 0)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
