#!/bin/bash
# The tour of `make demo`: plan, apply, status, no changes, drift, and apply again.
# `demo.sh clean` stops the three servers and removes their files. REPLTOOL_DEMO_DIR and
# REPLTOOL_DEMO_PORT (of the first of three) let a second demo run beside another's.
set -euo pipefail
cd "$(dirname "$0")/../.."
dir=${REPLTOOL_DEMO_DIR:-/tmp/repltool-quickstart}
port=${REPLTOOL_DEMO_PORT:-54321}
export PATH=$PWD/bin:$PATH REPLTOOL_VAR_dir=$dir REPLTOOL_VAR_port=$port
# What a person has to set to continue with a demo that is elsewhere.
elsewhere='' variables=''
if [ -n "${REPLTOOL_DEMO_DIR:-}${REPLTOOL_DEMO_PORT:-}" ]; then
  elsewhere="REPLTOOL_DEMO_DIR=$dir REPLTOOL_DEMO_PORT=$port "
  variables="REPLTOOL_VAR_dir=$dir REPLTOOL_VAR_port=$port "
fi
export REPLTOOL_VAR_replicator_password=${REPLTOOL_VAR_replicator_password:-demo-$$-$RANDOM}
topology=examples/quickstart

# The servers run as postgres when root asks for them, else as the caller.
as_owner() {
  if [ "$(id -u)" = 0 ]; then (cd / && setpriv --reuid=postgres --regid=postgres --init-groups "$@"); else "$@"; fi
}
pg_bin() { dirname "$(ls -v /usr/lib/postgresql/*/bin/pg_ctl /usr/pgsql-*/bin/pg_ctl 2>/dev/null | tail -1)"; }

clean() {
  for node in pg3 pg2 pg1; do
    if [ -e "$dir/$node/data/postmaster.pid" ]; then
      as_owner "$(pg_bin)/pg_ctl" -D "$dir/$node/data" -m fast -w stop >/dev/null || true
    fi
  done
  rm -rf "$dir"
  echo "The demo's servers are stopped and $dir is removed."
}

bold='' plain='' # nothing but text in a log
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\033[1m' plain=$'\033[0m'; fi
say() { printf '\n%s# %s%s\n' "$bold" "$1" "$plain"; }
# run CODE COMMAND…: shows the command, runs it, and expects that exit code.
run() {
  local want=$1 code=0
  shift
  printf '%s$ %s%s\n' "$bold" "$*" "$plain"
  "$@" || code=$?
  if [ "$code" != "$want" ]; then
    echo "demo: exit code $code, expected $want" >&2
    exit 1
  fi
}
sql() { # sql NODE STATEMENT
  as_owner psql -XAtq -h "$dir/$1" -p "$((port + ${1#pg} - 1))" -d postgres -c "$2"
}

if [ "${1:-}" = clean ]; then clean; exit; fi
if [ -e "$dir" ]; then
  owner=$(stat -c %U "$dir")
  echo "demo: $dir exists already, made by $owner: an earlier demo that runs or was left." >&2
  echo "  If it is yours, remove it:    ${elsewhere}make demo-clean" >&2
  echo "  Else run yours beside it:     REPLTOOL_DEMO_DIR=/tmp/repltool-demo-$(id -un) REPLTOOL_DEMO_PORT=$((port + 10)) make demo" >&2
  exit 1
fi

say "Nothing is there. What would be done? (-quiet: changes without their steps)"
run 0 repltool plan -quiet "$topology"
say "Apply shows each statement, file and command, and does exactly that."
run 0 repltool apply -auto-approve "$topology"
say "Who is who?"
run 0 repltool status "$topology"
say "A row written to the primary is on the standbys: the commit waited for one."
sql pg1 "CREATE TABLE greeting (text text); INSERT INTO greeting VALUES ('hello from pg1')"
for node in pg2 pg3; do
  for _ in $(seq 50); do
    if [ "$(sql $node "SELECT count(*) FROM pg_class WHERE relname = 'greeting'")" = 1 ] && [ -n "$(sql $node 'SELECT text FROM greeting')" ]; then break; fi
    sleep 0.1
  done
  echo "$node: $(sql $node 'SELECT text FROM greeting')"
done
say "A second plan has nothing to do."
run 0 repltool plan "$topology"
say "Somebody changes a parameter and a password behind our back."
printf '%s\n' "pg1: ALTER SYSTEM SET work_mem = '99MB';" "pg1: ALTER ROLE replicator PASSWORD 'not-what-the-topology-says';"
sql pg1 "ALTER SYSTEM SET work_mem = '99MB'"
sql pg1 "SELECT pg_reload_conf()" >/dev/null
sql pg1 "ALTER ROLE replicator PASSWORD 'not-what-the-topology-says'"
sleep 0.5
run 2 repltool drift "$topology"
say "Apply fixes it."
run 0 repltool apply -auto-approve -quiet "$topology"
run 0 repltool drift "$topology"

cat <<END

The three servers run on; pg1 is the primary:
  $([ "$(id -u)" = 0 ] && echo "runuser -u postgres -- ")psql -h $dir/pg1 -p $port postgres
Continue: change a parameter, a role or the synchronous set in
$topology/main.hcl, then
$(for v in $variables REPLTOOL_VAR_replicator_password="$REPLTOOL_VAR_replicator_password"; do echo "  export $v"; done)
  bin/repltool plan $topology
Your own servers: bin/repltool init, and docs/language.md.
Clean up: ${elsewhere}make demo-clean
END
