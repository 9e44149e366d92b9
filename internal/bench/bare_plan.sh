#!/bin/bash
# bare_plan.sh HOST…: a login and two queries on every host, side by side.
set -euo pipefail
asked=()
for h in "$@"; do
  ssh -n -F "$SSH_CONFIG" "$h" "cd / && sudo -n -u postgres psql -XAtq -c 'SELECT pg_is_in_recovery()' -c 'SELECT count(*) FROM pg_settings'" >/dev/null &
  asked+=($!)
done
for a in "${asked[@]}"; do wait "$a"; done
