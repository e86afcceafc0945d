#!/usr/bin/env bash
# Gives the accounts of the services their passwords: docker-compose.yml runs it whenever the wallet starts. So init-db.sql
# stays free to run again and knows the password of development only, and the database's container carries none of the four.
#
# KEEP_OLD_PASSWORDS names services whose accounts open with their old passwords too, until this runs without: instances that have
# the old ones go on.
set -euo pipefail

# That of init-db.sql, which everybody knows, is never kept.
well_known=wallet_development

# MariaDB's images have no `mysql`, MySQL's no `mariadb`
client=$(command -v mariadb || command -v mysql)

# Executes the standard input as an account with a password.
as() {
  MYSQL_PWD=$2 "$client" --protocol=tcp --host="$DB_HOST" --port="${DB_PORT:-3306}" --user="$1" --batch --raw --skip-column-names
}
root() { as root "$MYSQL_ROOT_PASSWORD"; }

# As a text in SQL: backslashes and quotes twice
quoted() {
  local text=${1//\\/\\\\}
  printf "'%s'" "${text//\'/\'\'}"
}

version=$(root <<<'SELECT VERSION()' 2>&1) || {
  echo "accounts: root cannot log in: $version" >&2
  [[ $version != *1045* ]] || echo "accounts: the volume has the data of a database that was made with another MYSQL_ROOT_PASSWORD: set" \
    "that one, or, if the data may go, docker compose down -v" >&2
  exit 1
}
case $version in *MariaDB*) is_mariadb=yes ;; *) is_mariadb= ;; esac

# Whether an account opens with more than one password.
has_old() {
  if [ "$is_mariadb" ]; then
    root <<<"SELECT COALESCE(JSON_LENGTH(Priv, '\$.auth_or'), 0) > 1 FROM mysql.global_priv WHERE User = $1 AND Host = '%'"
  else
    root <<<"SELECT COALESCE(JSON_CONTAINS_PATH(User_attributes, 'one', '\$.additional_password'), 0) FROM mysql.user WHERE User = $1 AND Host = '%'"
  fi
}

# MariaDB has no second password, but an account may have several ways in.
old_ways() {
  root <<<"SELECT CONCAT('mysql_native_password USING ', QUOTE(hash), ' OR ')
    FROM mysql.global_priv, JSON_TABLE(
      JSON_MERGE_PRESERVE(JSON_ARRAY(JSON_EXTRACT(Priv, '\$')), COALESCE(JSON_EXTRACT(Priv, '\$.auth_or'), JSON_ARRAY())),
      '\$[*]' COLUMNS (hash VARCHAR(100) PATH '\$.authentication_string')) ways
    WHERE User = $1 AND Host = '%' AND hash LIKE '*%'" | tr -d '\n'
}

opens() { as "$1" "$2" <<<'SELECT 1' >/dev/null 2>&1; }

while read -r name schema; do
  account=${name^^}_DB_USER password=${name^^}_DB_PASSWORD
  account=${!account:-$name} password=${!password:?}
  [ "$account" != root ] || continue # as in development, when DB_USER says so: its password is not ours to change
  user=$(quoted "$account") secret=$(quoted "$password")
  root <<<"CREATE USER IF NOT EXISTS $user@'%' IDENTIFIED BY $secret;
    GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP, REFERENCES ON $schema.* TO $user@'%';"
  old=$(has_old "$user") keep=
  if [[ " ${KEEP_OLD_PASSWORDS:-} " == *" ${name//_/-} "* ]] && ! opens "$account" "$well_known"; then keep=yes; fi
  if opens "$account" "$password" && { [ "$keep" ] || [ "$old" = 0 ]; }; then continue; fi
  if [ -z "$keep" ]; then
    root <<<"ALTER USER $user@'%' IDENTIFIED BY $secret;"
    [ "$is_mariadb" ] || root <<<"ALTER USER $user@'%' DISCARD OLD PASSWORD"
  elif [ "$is_mariadb" ]; then
    root <<<"ALTER USER $user@'%' IDENTIFIED VIA $(old_ways "$user") mysql_native_password USING PASSWORD($secret)"
  else
    # an older one that is still kept is the one that instances have
    root <<<"ALTER USER $user@'%' IDENTIFIED BY $secret$([ "$old" = 1 ] || echo ' RETAIN CURRENT PASSWORD')"
  fi
  echo "accounts: $account has a new password$([ -z "$keep" ] || echo ', and opens with the old one too')"
done <<'END'
user_service digital_wallet
transaction_service digital_wallet_tx
notification_service digital_wallet_notifications
report_service digital_wallet_reports
END
