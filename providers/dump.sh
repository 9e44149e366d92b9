# Writes the definitions of a database, with what each depends on. A failure of pg_dump
# leaves pg_restore without input, which fails then.
# 1: directory of the programs, 2: socket directory, 3: port, 4: connection string
set -e
export LC_ALL=C
pg_dump() {
  "$1/pg_dump" -Fc --schema-only --no-owner --no-privileges --no-publications --no-subscriptions --no-security-labels \
    --encoding=UTF8 --lock-wait-timeout=5000 --no-password --host="$2" --port="$3" --dbname="$4"
}
pg_dump "$@" | "$1/pg_restore" --verbose --no-owner --no-privileges --no-tablespaces -f - 2>/dev/null
