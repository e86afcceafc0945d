-- The four schemas of the digital wallet and one account for each service, which may touch its own schema only.
-- Runs any number of times, on MySQL 8.0 to 9.7 and on MariaDB 10.11 and later. The tables are not made here: each
-- service brings its own schema up to date when it starts, hence CREATE, ALTER, INDEX, DROP and REFERENCES.
-- The password is for development. In production: ALTER USER 'user_service'@'%' IDENTIFIED BY '…'; for each account, which
-- deploy/database/accounts.sh does in containers.

CREATE DATABASE IF NOT EXISTS digital_wallet CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci;
CREATE DATABASE IF NOT EXISTS digital_wallet_tx CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci;
CREATE DATABASE IF NOT EXISTS digital_wallet_notifications CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci;
CREATE DATABASE IF NOT EXISTS digital_wallet_reports CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci;

CREATE USER IF NOT EXISTS 'user_service'@'%' IDENTIFIED BY 'wallet_development';
CREATE USER IF NOT EXISTS 'transaction_service'@'%' IDENTIFIED BY 'wallet_development';
CREATE USER IF NOT EXISTS 'notification_service'@'%' IDENTIFIED BY 'wallet_development';
CREATE USER IF NOT EXISTS 'report_service'@'%' IDENTIFIED BY 'wallet_development';

GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP, REFERENCES
    ON digital_wallet.* TO 'user_service'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP, REFERENCES
    ON digital_wallet_tx.* TO 'transaction_service'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP, REFERENCES
    ON digital_wallet_notifications.* TO 'notification_service'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP, REFERENCES
    ON digital_wallet_reports.* TO 'report_service'@'%';
