#!/usr/bin/env bash
# Makes backups of all schemas, proves each, and removes old ones.
#
#   backup.sh        every BACKUP_INTERVAL seconds, and the binary log every minute: the profile `backup` of docker-compose.yml
#   backup.sh once   once: what a CronJob runs (deploy/kubernetes/components/backup)
#   backup.sh log    only the binary log, once
#   backup.sh dump   a dump to the standard output, and nothing else
#
# In BACKUP_FOLDER:
#   wallet-20261126T120000Z.sql.gz        a dump that was proved: loaded into a server of its own, where the ledger added up
#   log-20261126T115900Z/binlog.000042    what was committed, if the server's data folder is mounted at /source; each server's log
#                                         has a folder of its own, named after the moment of the first copy
# A dump goes when BACKUP_KEEP newer ones are there and it is older than they would take. So does the log before the oldest dump.
set -euo pipefail

folder=${BACKUP_FOLDER:-/backups} interval=${BACKUP_INTERVAL:-86400} keep=${BACKUP_KEEP:-14}
schemas=(digital_wallet digital_wallet_tx digital_wallet_notifications digital_wallet_reports)
# Where a server for the proof has its data, and its socket.
scratch=/var/lib/mysql/proof socket=/tmp/proof.sock

say() { echo "backup: $*" >&2; }
now() { date -u +%Y%m%dT%H%M%SZ; }
dumps() { find "$folder" -maxdepth 1 -name 'wallet-*.sql.gz' | sort; }
# MariaDB's images have no `mysql`, MySQL's no `mariadb`
if command -v mariadb >/dev/null; then is_mariadb=yes client=mariadb; else is_mariadb='' client=mysql; fi

# A client program of the database, as its root.
as_root() {
  local program=$1
  shift
  MYSQL_PWD=$MYSQL_ROOT_PASSWORD "$program" --host="$DB_HOST" --port="${DB_PORT:-3306}" --user=root "$@"
}

# Takes a lock of the database's that lasts as long as this process, or until something is sent to $session.
take() {
  local name=$1 patience=$2 got
  coproc locks { as_root "$client" --batch --skip-column-names --unbuffered; }
  exec {session}>&"${locks[1]}"
  echo "SELECT GET_LOCK('$name.digital_wallet', $patience);" >&"$session"
  read -r got <&"${locks[0]}"
  [ "$got" = 1 ]
}

# One snapshot, and the place in the binary log at which it was taken. MySQL's program closes all tables for a moment: no audit may
# run then, or whoever pays would wait until it has ended. GTIDs stay out: no server with transactions of its own would take the dump.
dump() {
  take audit 3600 || { say "an audit takes too long to wait for" && return 1; }
  if [ "$is_mariadb" ]; then set -- mariadb-dump --master-data=2; else set -- mysqldump --source-data=2 --set-gtid-purged=OFF; fi
  # once it writes, it has its snapshot
  as_root "$@" --single-transaction --hex-blob --databases "${schemas[@]}" | { head -c 4096 && echo "DO RELEASE_ALL_LOCKS();" >&"$session" && cat; }
}

# Loads a dump into a server of its own, and adds the ledger up.
prove() (
  local file=$1 server broken bytes
  bytes=$(as_root "$client" --batch --skip-column-names --execute="
    SELECT CAST(COALESCE(SUM(data_length + index_length), 0) AS UNSIGNED) FROM information_schema.tables WHERE table_schema LIKE 'digital\\_wallet%'")
  [ "$(df --output=avail -B1 "$(dirname "$scratch")" | tail -1)" -gt $((2 * bytes + 2000000000)) ] ||
    { say "there is no room for a proof: it takes twice the $bytes bytes of the tables, and 2 GB" && return 1; }
  # shellcheck disable=SC2329 # the trap calls it
  clean() {
    [ -z "${server:-}" ] || { kill "$server" && wait "$server"; } 2>/dev/null || true
    rm -rf "$scratch"
  }
  rm -rf "$scratch"
  trap clean EXIT
  if [ "$is_mariadb" ]; then
    mariadb-install-db --no-defaults --user="$(id -un)" --datadir="$scratch" --auth-root-authentication-method=normal --skip-test-db >/dev/null
    set -- mariadbd --no-defaults
  else
    set -- mysqld --no-defaults --mysqlx=OFF --innodb-redo-log-capacity=1G
    "$@" --user="$(id -un)" --initialize-insecure --datadir="$scratch" 2>/dev/null
  fi
  # what is proved is thrown away: nothing of it needs to last. Its temporary files may be larger than /tmp
  "$@" --user="$(id -un)" --datadir="$scratch" --tmpdir="$scratch" --socket="$socket" --pid-file=/tmp/proof.pid --skip-networking \
    --skip-log-bin --innodb-flush-log-at-trx-commit=0 --skip-innodb-doublewrite >/tmp/proof.log 2>&1 &
  server=$!
  proof() { "$client" --no-defaults --user=root --socket="$socket" --batch --skip-column-names "$@"; }
  for _ in $(seq 600); do
    if proof --execute='SELECT 1' >/dev/null 2>&1; then break; fi
    kill -0 "$server" 2>/dev/null || { say "the server for the proof does not start:" && tail -5 /tmp/proof.log >&2 && return 1; }
    sleep 0.2
  done
  gunzip -c "$file" | proof
  # what user-service proves of the living ledger, in short
  broken=$(proof digital_wallet --execute="
    SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM ledger_entries GROUP BY operation_id HAVING SUM(amount) <> 0) unbalanced)
         + (SELECT COUNT(*) FROM accounts a LEFT JOIN
              (SELECT user_id, SUM(IF(account = 'available', amount, 0)) AS available, SUM(IF(account = 'held', amount, 0)) AS held
               FROM ledger_entries GROUP BY user_id) e ON e.user_id = a.user_id
            WHERE a.available <> COALESCE(e.available, 0) OR a.held <> COALESCE(e.held, 0))")
  [ "$broken" = 0 ] || { say "the ledger in $file does not add up: $broken rows are broken" && return 1; }
)

once() {
  local taken name
  taken=$(now)
  name=wallet-$taken.sql.gz
  mkdir -p "$folder"
  # one at a time: the proof has one place
  take backup 0 || { say "another backup is being made" && return 1; }
  rm -f "$folder"/*.part # of one that was broken off
  (umask 077 && "$0" dump | gzip >"$folder/$name.part")
  gunzip -c "$folder/$name.part" | tail -c 200 | grep -q '^-- Dump completed' || { say "the dump broke off" && return 1; }
  prove "$folder/$name.part"
  sync "$folder/$name.part"
  mv "$folder/$name.part" "$folder/$name"
  say "$name is proved ($(du -h "$folder/$name" | cut -f1))"
  prune
  # the alert looks there
  as_root "$client" digital_wallet --execute="
    INSERT INTO backups (taken_at, file, bytes) VALUES (STR_TO_DATE('$taken', '%Y%m%dT%H%i%sZ'), '$name', $(stat -c %s "$folder/$name"))" ||
    say "that could not be written down: the alert does not know of it"
}

prune() {
  local old
  while read -r old; do
    [ $(($(date +%s) - $(stat -c %Y "$old"))) -lt $((keep * interval)) ] || rm -- "$old"
  done < <(dumps | head -n -"$keep")
}

# What tells one server's log from another's of the same name: the moment in its head at which it was begun. The flags behind it
# change when the server goes on to the next file.
head_of() { head -c 21 "$1" | cksum; }

# Whether a folder has copies of the log that is in /source.
is_copy() {
  local newest
  newest=$(find "$1" -type f -name '*.[0-9]*' | sort | tail -1)
  [ -z "$newest" ] || { [ -e "/source/$(basename "$newest")" ] && [ "$(head_of "$newest")" = "$(head_of "/source/$(basename "$newest")")" ]; }
}

# Copies what came to the binary log. A copy is always the beginning of what it is copied from, whenever this is killed and however
# often it runs.
copy_log() {
  local index log source copy have oldest
  index=$(find /source -maxdepth 1 -name '*bin*.index' 2>/dev/null | head -1)
  [ -n "$index" ] || return 0
  mkdir -p "$folder"
  log=$(find "$folder" -maxdepth 1 -type d -name 'log-*' | sort | tail -1)
  if [ -z "$log" ] || ! is_copy "$log"; then
    log=$folder/log-$(now)
    (umask 077 && mkdir "$log")
    say "a log that was not copied before: it goes to $(basename "$log")"
  fi
  while read -r source; do
    source=/source/$(basename "$source")
    copy=$log/$(basename "$source")
    # half a head says nothing yet
    [ "$(stat -c %s "$source")" -ge 21 ] || continue
    have=$(stat -c %s "$copy" 2>/dev/null || echo 0)
    (umask 077 && exec dd if="$source" of="$copy" bs=1M iflag=skip_bytes oflag=seek_bytes skip="$have" seek="$have" conv=notrunc,fsync status=none)
  done <"$index"
  touch "$log"
  oldest=$(dumps | head -1)
  [ -n "$oldest" ] || return 0
  # the log of another server is of use as long as a dump is older than its last copy
  find "$folder" -maxdepth 1 -type d -name 'log-*' ! -path "$log" ! -newer "$oldest" -exec rm -r {} +
  oldest=$(gunzip -c "$oldest" | sed -nE "1,200s/.*_LOG_FILE='([^']*)'.*/\1/p")
  for copy in "$log"/*; do
    if [[ -e $log/$oldest && $(basename "$copy") < $oldest && ! -e /source/$(basename "$copy") ]]; then rm -- "$copy"; fi
  done
}

# A process of its own, so that what fails in it ends it.
beside() { "$0" "$@" & }

forever() {
  local next newest backup=''
  trap 'exit 0' TERM INT
  rm -rf "$scratch" # of a proof that was broken off
  mkdir -p "$folder"
  newest=$(dumps | tail -1)
  next=$([ -z "$newest" ] && echo 0 || echo $(($(stat -c %Y "$newest") + interval)))
  while true; do
    beside log
    wait $! || say "the binary log could not be copied; the next try comes in a minute"
    if [ -n "$backup" ] && ! kill -0 "$backup" 2>/dev/null; then
      wait "$backup" || { say "no backup was made; the next try comes in five minutes" && next=$(($(date +%s) + 300)); }
      backup=''
    fi
    if [ -z "$backup" ] && [ "$(date +%s)" -ge "$next" ]; then
      next=$(($(date +%s) + interval))
      beside once
      backup=$!
    fi
    sleep 60 &
    wait $!
  done
}

case ${1:-} in
  '') forever ;;
  once) once ;;
  log) copy_log ;;
  dump) dump ;;
  *) echo "usage: backup.sh [once|log|dump]" >&2 && exit 2 ;;
esac
