-- The copy of every movement of a balance that a user can spend, as taken over from user-service's ledger.
CREATE TABLE entries (
    -- a rebuild writes a generation beside the one that is read
    generation      INT            NOT NULL,
    user_id         BIGINT         NOT NULL,
    -- never goes back along the ids of one user
    created_at      DATETIME(6)    NOT NULL,
    -- grows along the ledger
    id              BIGINT         NOT NULL,
    kind            VARCHAR(16)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    amount          DECIMAL(28, 2) NOT NULL,
    balance_after   DECIMAL(28, 2) NOT NULL,
    counterparty_id BIGINT         NULL,
    transaction_id  BIGINT         NULL,
    -- what the caller calls it; of a transaction it is in its copy
    reference       VARCHAR(255)   NULL,
    PRIMARY KEY (generation, user_id, created_at, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
