-- Makes restored schemas safe, before they take the place of the ones that are lost: deploy/wallet restore.

-- All access tokens end: those that a password change had ended after the dump would count again.
UPDATE digital_wallet_restored.users SET token_key = CONV(HEX(RANDOM_BYTES(7)), 16, 10);

-- What was to be mailed may have been mailed after the dump: it waits as failed until somebody has it sent. That goes for what
-- notification-service has not been told yet, too.
UPDATE digital_wallet_notifications_restored.notifications
SET status = 'failed', failure_reason = 'held back after a restore: it may have been mailed before', claim = NULL, claimed_until = NULL
WHERE status = 'pending' AND hidden_at IS NULL;

-- They are texts, and stay so: the database would turn their amounts into floating-point numbers.
UPDATE digital_wallet_restored.outbox SET fact = CONCAT('{"held_back":true,', SUBSTRING(fact, 2)) WHERE fact NOT LIKE '{"held_back"%';
UPDATE digital_wallet_tx_restored.outbox SET fact = CONCAT('{"held_back":true,', SUBSTRING(fact, 2)) WHERE fact NOT LIKE '{"held_back"%';
