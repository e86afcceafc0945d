-- What was deleted before it was mailed is over: looks for what is due would come across it for ever. Warnings are mailed all the same.
UPDATE notifications SET status = 'failed', failure_reason = 'deleted before it was mailed', claim = NULL, claimed_until = NULL
WHERE status = 'pending' AND hidden_at IS NOT NULL AND COALESCE(address, '') = ''
