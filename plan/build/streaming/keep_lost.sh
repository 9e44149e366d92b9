# Keeps in the directory $5 what the server of the data directory $2, which is down, has of timeline $3 from $4 on: its WAL
# segments, and the list of its transactions, which is written last. $1 is the directory of PostgreSQL's programs. From 0/0 on is
# what there is, if anything. What was kept there before stays.
bin=$1 data=$2 timeline=$3 fork=$4 to=$5
asked=$fork
fail() { echo "$*" >&2; exit 1; }
! pid=$(server_in "$data") || fail "a server was started in $data meanwhile (process $pid). Plan again"
size=$(LC_ALL=C "$bin/pg_controldata" "$data" | sed -n 's/^Bytes per WAL segment: *//p')
[ -n "$size" ] || fail "pg_controldata does not say how large a WAL segment of $data is"
# name LSN is the segment of an LSN.
name() { printf '%08X%08X%08X' "$timeline" $((0x${1%/*})) $((0x${1#*/} / size)); }
dump() { LC_ALL=C "$bin/pg_waldump" -p "$data/pg_wal" -t "$timeline" -s "$fork" "$@"; }
# Where its first segment is gone, from the oldest on that is there.
first=$(name "$fork")
if [ ! -e "$data/pg_wal/$first" ]; then
  first=$(LC_ALL=C ls "$data/pg_wal" | awk -v first="$first" 'length == 24 && substr($0, 1, 8) == substr(first, 1, 8) && ($0 "") > (first "") { print; exit }')
  [ -n "$first" ] || [ "$asked" != 0/0 ] || exit 0
  [ -n "$first" ] || fail "$data/pg_wal has no WAL of timeline $timeline from $fork on: nothing is discarded"
  s=${first#????????} && fork=$(printf '%X/%X' $((0x${s%????????})) $((0x${s#????????} * size)))
fi
last=$(dump -r XLOG 2>&1 >/dev/null | sed -n 's/.*error in WAL record at \([0-9A-F]*\/[0-9A-F]*\): .*/\1/p')
[ -n "$last" ] || last=$(dump 2>/dev/null | tail -n 1 | sed -n 's/^rmgr: .* lsn: \([0-9A-F]*\/[0-9A-F]*\), prev .*/\1/p')
[ -n "$last" ] || [ "$asked" != 0/0 ] || exit 0
[ -n "$last" ] || fail "pg_waldump reads no record of timeline $timeline from $fork on in $data/pg_wal: nothing is discarded"
umask 077
mkdir -p "$to" || exit
for f in $(LC_ALL=C ls "$data/pg_wal" | awk -v first="$first" -v last="$(name "$last")" 'length == 24 && ($0 "") >= (first "") && ($0 "") <= (last "") || /[.]history$/'); do
  cp --archive "$data/pg_wal/$f" "$to/$f.new" && sync "$to/$f.new" && mv -f "$to/$f.new" "$to/$f" || exit
done
echo "WAL of timeline $timeline from $fork on; $asked was asked for" >"$to/transactions.new" || exit
dump -r Transaction >>"$to/transactions.new" 2>/dev/null # its exit code says nothing: WAL ends with what is no record
sync "$to/transactions.new" && mv -f "$to/transactions.new" "$to/transactions.txt" && sync "$to" || exit
echo "$(grep -c COMMIT "$to/transactions.txt") committed transactions of timeline $timeline from $fork on are kept in $to"
