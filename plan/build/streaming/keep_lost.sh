# Keeps in the directory $5 what the server of the data directory $2, which is down, has of timeline $3 from $4 on: its WAL
# segments, and the list of its transactions, which is written last. $1 is the directory of PostgreSQL's programs. What was kept
# there before stays.
bin=$1 data=$2 timeline=$3 fork=$4 to=$5
fail() { echo "$*" >&2; exit 1; }
! pid=$(head -n 1 "$data/postmaster.pid" 2>/dev/null) || ! kill -0 "$pid" 2>/dev/null || fail "a server was started in $data meanwhile (process $pid). Plan again"
size=$(LC_ALL=C "$bin/pg_controldata" "$data" | sed -n 's/^Bytes per WAL segment: *//p')
[ -n "$size" ] || fail "pg_controldata does not say how large a WAL segment of $data is"
# name LSN is the segment of an LSN.
name() { printf '%08X%08X%08X' "$timeline" $((0x${1%/*})) $((0x${1#*/} / size)); }
dump() { LC_ALL=C "$bin/pg_waldump" -p "$data/pg_wal" -t "$timeline" -s "$fork" "$@" 2>/dev/null; }
last=$(dump | tail -n 1 | sed -n 's/^rmgr: .* lsn: \([0-9A-F]*\/[0-9A-F]*\), prev .*/\1/p')
[ -n "$last" ] || fail "pg_waldump reads no record of timeline $timeline from $fork on in $data/pg_wal: nothing is discarded"
umask 077
mkdir -p "$to" || exit
for f in $(LC_ALL=C ls "$data/pg_wal" | awk -v first="$(name "$fork")" -v last="$(name "$last")" 'length == 24 && ($0 "") >= (first "") && ($0 "") <= (last "") || /[.]history$/'); do
  cp --archive "$data/pg_wal/$f" "$to/$f.new" && sync "$to/$f.new" && mv -f "$to/$f.new" "$to/$f" || exit
done
dump -r Transaction >"$to/transactions.new" # its exit code says nothing: WAL ends with what is no record
sync "$to/transactions.new" && mv -f "$to/transactions.new" "$to/transactions.txt" && sync "$to" || exit
echo "$(grep -c COMMIT "$to/transactions.txt") committed transactions of timeline $timeline from $fork on are kept in $to"
