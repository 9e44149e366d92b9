#!/bin/bash
# bare_apply.sh ADDRESS1 ADDRESS2 ADDRESS3 ADDRESS4: a primary on host1, synchronous standbys
# on host2 and host3, a subscriber on host4, as fast as a shell makes them: one connection a
# host, all that can be side by side, a start is done when the socket answers, and no initdb
# on a standby. Nothing is checked, and nothing could go on after a failure.
set -euo pipefail
control=$(mktemp -d)
trap 'for h in host1 host2 host3 host4; do ssh -F "$SSH_CONFIG" -o ControlPath="$control/%h" -O exit $h 2>/dev/null || true; done; rm -rf "$control"' EXIT
on() { # on HOST: stdin is a script, run as postgres
  ssh -F "$SSH_CONFIG" -o ControlMaster=auto -o ControlPath="$control/%h" -o ControlPersist=60 "$1" \
    "cd / && exec sudo -n -u postgres env LC_ALL=C.UTF-8 PATH=/usr/lib/postgresql/15/bin:/usr/bin:/bin sh -eu"
}
lib='etc=/etc/postgresql/15/main data=/var/lib/postgresql/15/main
create() { pg_createcluster 15 main --port 5432 --locale C.UTF-8 --encoding UTF8 -- --auth-local peer --auth-host scram-sha-256 --data-checksums >/dev/null; }
start() { # pg_ctlcluster goes on for 2 s after the server is up
  setsid pg_ctlcluster --skip-systemctl-redirect 15 main start >/dev/null 2>&1 </dev/null &
  until pg_isready -q; do sleep 0.02; done
}
sql() { psql -XAtq -v ON_ERROR_STOP=1 "$@"; }
'
conf="listen_addresses = '*'
shared_buffers = '16MB'
wal_level = 'logical'"
rules="host replication replicator $2/32 scram-sha-256
host replication replicator $3/32 scram-sha-256
host shop replicator $4/32 scram-sha-256"

publisher() {
  on host1 <<X
$lib
create
printf '%s\n' "$conf" >>\$etc/postgresql.conf
printf '%s\n' "$rules" >>\$etc/pg_hba.conf
start
sql <<'S'
CREATE ROLE replicator LOGIN REPLICATION PASSWORD 'bench';
SELECT pg_create_physical_replication_slot('pg2', true) IS NULL, pg_create_physical_replication_slot('pg3', true) IS NULL \g /dev/null
S
X
}
publication() {
  on host1 <<X
$lib
sql -c 'CREATE DATABASE shop'
sql -d shop -c 'CREATE PUBLICATION shop FOR ALL TABLES'
X
}
subscriber() {
  on host4 <<X
$lib
create
start
sql -c 'CREATE DATABASE dw'
X
}
subscription() {
  on host4 <<X
$lib
sql -d dw -c "CREATE SUBSCRIPTION shop CONNECTION 'host=$1 dbname=shop user=replicator password=bench' PUBLICATION shop" 2>/dev/null
X
}
standby() { # standby N UPSTREAM
  on "host$1" <<X
$lib
umask 077
printf '*:5432:*:replicator:bench\n' >~/.pgpass
pg_basebackup --pgdata \$data --dbname 'host=$2 port=5432 user=replicator application_name=pg$1' --wal-method stream --checkpoint fast --write-recovery-conf --no-password --slot pg$1
touch \$data/postgresql.conf \$data/pg_ident.conf
printf 'local all all peer\n%s\n' "$rules" >\$data/pg_hba.conf
pg_createcluster 15 main --port 5432 >/dev/null
printf '%s\n' "$conf" >>\$etc/postgresql.conf
start
X
}
for h in host2 host3; do on $h <<<: & done # log in meanwhile
subscriber & made=$!
publisher
standby 2 "$1" & two=$!
standby 3 "$1" & three=$!
publication & published=$!
wait $made
wait $published
subscription "$1" & subscribed=$!
wait $two
wait $three
on host1 <<X
$lib
until [ "\$(sql -c "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND application_name IN ('pg2', 'pg3')")" = 2 ]; do sleep 0.02; done
printf '%s\n' "synchronous_standby_names = 'ANY 1 (pg2, pg3)'" >>\$etc/postgresql.conf
sql -c 'SELECT pg_reload_conf()' >/dev/null
X
wait $subscribed
