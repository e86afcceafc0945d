-- Makes restored schemas safe, before they take the place of the ones that are lost: deploy/wallet restore.

-- All access tokens end: those that a password change had ended after the dump would count again.
UPDATE digital_wallet_restored.users SET token_key = CONV(HEX(RANDOM_BYTES(7)), 16, 10);

-- What was to be mailed may have been mailed after the dump: it waits as failed until somebody has it sent. That goes for what
-- notification-service has not been told yet, too.
UPDATE digital_wallet_notifications_restored.notifications
SET status = 'failed', failure_reason = 'held back after a restore: it may have been mailed before', claim = NULL, claimed_until = NULL
WHERE status = 'pending' AND hidden_at IS NULL;

INSERT INTO digital_wallet_notifications_restored.notifications
    (event_id, user_id, message, status, failure_reason, address, created_at, updated_at)
SELECT event_id, user_id, message, 'failed', 'held back after a restore: it may have been mailed before', address, created_at, created_at
FROM (
    SELECT event_id, user_id, message, address, created_at FROM digital_wallet_restored.outbox
    UNION ALL
    SELECT event_id, user_id, message, address, created_at FROM digital_wallet_tx_restored.outbox
) told
ON DUPLICATE KEY UPDATE event_id = VALUES(event_id);
DELETE FROM digital_wallet_restored.outbox;
DELETE FROM digital_wallet_tx_restored.outbox;
