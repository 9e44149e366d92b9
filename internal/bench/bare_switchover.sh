#!/bin/bash
# bare_switchover.sh VERSION OLD NEW: NEW takes the place of OLD, a primary that it streams
# from, as fast as a shell does that loses nothing: OLD is stopped and is down when
# pg_control says so, NEW has replayed its shutdown checkpoint, and is promoted. Nothing is
# checked before, OLD does not come back as a standby, and nothing goes back on a failure.
set -euo pipefail
version=$1 old=$2 new=$3
control=$(mktemp -d)
trap 'for h in "$old" "$new"; do ssh -F "$SSH_CONFIG" -o ControlPath="$control/%h" -O exit $h 2>/dev/null || true; done; rm -rf "$control"' EXIT
on() { # on HOST: stdin is a script, run as postgres
  ssh -F "$SSH_CONFIG" -o ControlMaster=auto -o ControlPath="$control/%h" -o ControlPersist=60 "$1" \
    "cd / && exec sudo -n -u postgres env LC_ALL=C.UTF-8 PATH=/usr/lib/postgresql/$version/bin:/usr/bin:/bin sh -eu"
}
stop="data=/var/lib/postgresql/$version/main"'
pg_ctl stop --pgdata $data --mode fast --no-wait >/dev/null
until pg_controldata $data | grep -q "state: *shut down$"; do sleep 0.01; done
pg_controldata $data | sed -n "s/^Latest checkpoint location: *//p"'
promote() {
  echo "until [ \"\$(psql -XAtqc \"SELECT pg_last_wal_replay_lsn() > '$1'\")\" = t ]; do sleep 0.01; done"
  echo "psql -XAtqc 'SELECT pg_promote(true, 60)' >/dev/null"
}
on "$old" <<<'psql -XAtqc CHECKPOINT -c CHECKPOINT' &
on "$new" <<<true
wait $!
at=$(on "$old" <<<"$stop")
promote "$at" | on "$new"
