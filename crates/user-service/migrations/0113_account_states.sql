-- Append-only: who has frozen, locked or freed an account, and why. What holds is in accounts.state, which is 'active', 'frozen',
-- 'locked' or 'closed'.
CREATE TABLE account_states (
    -- the request, so that one that is carried out twice is written once
    id         CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    user_id    BIGINT       NOT NULL,
    state      VARCHAR(16)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    reason     VARCHAR(255) NOT NULL,
    -- who asked for it, as logs name callers, and within which request
    actor      VARCHAR(48)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    request_id VARCHAR(64)  CHARACTER SET ascii COLLATE ascii_bin NULL,
    changed_at DATETIME(6)  NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    KEY account_states_of_user (user_id, changed_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
