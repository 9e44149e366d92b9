# Verifies that the server of the data directory $1 has the record that another one ends with: the first $3 bytes of the segment $2
# have the checksum $4, in a file of that timeline or of one that began in that segment.
data=$1 segment=$2 bytes=$3 sum=$4 seen=''
for f in "$data/pg_wal/$segment" "$data/pg_wal/$segment.partial" "$data"/pg_wal/????????"${segment#????????}"; do
  [ -f "$f" ] || continue
  seen=$f
  [ "$(head -c "$bytes" "$f" | sha256sum | cut -d ' ' -f 1)" != "$sum" ] || exit 0
done
[ -n "$seen" ] || { echo "the WAL segment $segment is not in $data/pg_wal any more" >&2; exit 1; }
echo "$seen has other records: both servers have written WAL of this timeline" >&2
exit 1
