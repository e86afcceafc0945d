#!/usr/bin/env bash
# Gives the accounts of the services their passwords when a database is made, right after init-db.sql, which stays free to
# run again and knows the password of development only. To change one later: ALTER USER, as SECURITY.md tells.
set -eo pipefail

# MariaDB's images have no `mysql`, MySQL's no `mariadb`
client=$(command -v mariadb || command -v mysql)

# As a text in SQL: backslashes and quotes twice
quoted() {
  local text=${1//\\/\\\\}
  printf "'%s'" "${text//\'/\'\'}"
}

MYSQL_PWD=$MYSQL_ROOT_PASSWORD "$client" --protocol=socket --user=root <<SQL
ALTER USER 'user_service'@'%' IDENTIFIED BY $(quoted "${USER_SERVICE_DB_PASSWORD:?}");
ALTER USER 'transaction_service'@'%' IDENTIFIED BY $(quoted "${TRANSACTION_SERVICE_DB_PASSWORD:?}");
ALTER USER 'notification_service'@'%' IDENTIFIED BY $(quoted "${NOTIFICATION_SERVICE_DB_PASSWORD:?}");
ALTER USER 'report_service'@'%' IDENTIFIED BY $(quoted "${REPORT_SERVICE_DB_PASSWORD:?}");
SQL
