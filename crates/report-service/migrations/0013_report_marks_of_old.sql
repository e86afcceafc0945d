-- Of those that exist already, but for the youngest, before which another one may still appear.
INSERT INTO report_marks (user_id, number, report_id)
SELECT user_id, number, id
FROM (SELECT user_id, id, created_at, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY id) AS number FROM reports) numbered
WHERE number % 500 = 0 AND created_at < NOW(6) - INTERVAL 5 MINUTE
ON DUPLICATE KEY UPDATE report_id = VALUES(report_id)
