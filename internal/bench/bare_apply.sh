#!/bin/bash
# bare_apply.sh ADDRESS1 ADDRESS2 ADDRESS3: a primary on host1 and synchronous standbys on
# the others, as a careful person would script it: one shared connection a host,
# the clones side by side, each thing waited for.
set -euo pipefail
control=$(mktemp -d)
trap 'for h in host1 host2 host3; do ssh -F "$SSH_CONFIG" -o ControlPath="$control/%h" -O exit $h 2>/dev/null || true; done; rm -rf "$control"' EXIT
on() { # on HOST COMMAND: as postgres
  local h=$1
  shift
  ssh -F "$SSH_CONFIG" -o ControlMaster=auto -o ControlPath="$control/%h" -o ControlPersist=60 "$h" "cd / && sudo -n -u postgres sh -c $(printf %q "$*")"
}
sql() { on "$1" "psql -XAtq -c $(printf %q "$2")"; }
until_true() { # until_true HOST QUERY
  until [ "$(sql "$1" "$2" 2>/dev/null)" = t ]; do sleep 0.1; done
}
hba=
for a in "$@"; do hba+="host replication replicator $a/32 scram-sha-256"$'\n'; done
conf="listen_addresses = '*'"$'\n'"shared_buffers = '16MB'"
etc=/etc/postgresql/15/main data=/var/lib/postgresql/15/main bin=/usr/lib/postgresql/15/bin

# The configuration files of the standbys come from a cluster beside: a copy has none.
initial=/var/lib/postgresql/initial made=()
for h in host2 host3; do
  on $h "$bin/initdb --pgdata $initial --locale C.UTF-8 --encoding UTF8 --auth-local peer --auth-host scram-sha-256 --no-sync >/dev/null" &
  made+=($!)
done
on host1 "pg_createcluster 15 main --port 5432 --locale C.UTF-8 --encoding UTF8 -- --data-checksums >/dev/null
  printf '%s\n' \"$conf\" >> $etc/postgresql.conf
  { printf '%s' \"$hba\"; cat $etc/pg_hba.conf; } > $etc/pg_hba.new && mv $etc/pg_hba.new $etc/pg_hba.conf
  pg_ctlcluster --skip-systemctl-redirect 15 main start"
until_true host1 "SELECT NOT pg_is_in_recovery()"
sql host1 "CREATE ROLE replicator LOGIN REPLICATION PASSWORD 'bench'"
for n in 2 3; do sql host1 "SELECT pg_create_physical_replication_slot('pg$n', true)" >/dev/null; done

standby() { # standby N
  on "host$1" "umask 077; printf '%s\n' '$primary:5432:*:replicator:bench' > ~/.pgpass"
  on "host$1" "$bin/pg_basebackup --pgdata $data --dbname 'host=$primary port=5432 user=replicator application_name=pg$1' --wal-method stream --checkpoint fast --write-recovery-conf --no-password --slot pg$1"
  on "host$1" "$bin/pg_verifybackup --ignore postgresql.conf --ignore pg_hba.conf --ignore pg_ident.conf $data >/dev/null"
  on "host$1" "mv -t $data $initial/postgresql.conf $initial/pg_hba.conf $initial/pg_ident.conf && rm -rf $initial
    pg_createcluster 15 main --datadir $data --port 5432 >/dev/null
    printf '%s\n' \"$conf\" >> $etc/postgresql.conf
    { printf '%s' \"$hba\"; cat $etc/pg_hba.conf; } > $etc/pg_hba.new && mv $etc/pg_hba.new $etc/pg_hba.conf
    pg_ctlcluster --skip-systemctl-redirect 15 main start"
  until_true "host$1" "SELECT pg_is_in_recovery()"
  until_true host1 "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE application_name = 'pg$1' AND state = 'streaming')"
}
primary=$1
wait "${made[@]}"
standby 2 & two=$!
standby 3 & three=$!
wait $two
wait $three
on host1 "printf '%s\n' \"synchronous_standby_names = 'ANY 1 (pg2, pg3)'\" >> $etc/postgresql.conf"
sql host1 "SELECT pg_reload_conf()" >/dev/null
until_true host1 "SELECT setting = 'ANY 1 (pg2, pg3)' FROM pg_settings WHERE name = 'synchronous_standby_names'"
