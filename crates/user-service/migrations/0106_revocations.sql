-- Users whose tokens of all versions before this one have ended: the password was changed, or the account closed.
CREATE TABLE revocations (
    user_id    BIGINT      NOT NULL PRIMARY KEY,
    version    INT         NOT NULL,
    revoked_at DATETIME(6) NOT NULL,
    -- the order in which the services read them
    KEY revocations_in_order (revoked_at, user_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
