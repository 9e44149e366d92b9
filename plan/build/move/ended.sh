# Waits until no process of a server has the data directory $1, at most $2 seconds. With "primary" as $3 the directory is
# that of a primary from then on.
data=$1 end=$(($(date +%s) + $2))
while pid=$(head -n 1 "$data/postmaster.pid" 2>/dev/null) && kill -0 "$pid" 2>/dev/null; do
  [ "$(date +%s)" -lt "$end" ] || { echo "process $pid of the server has not ended after $2 s" >&2; exit 1; }
  sleep 0.02
done
[ "$3" != primary ] || { rm -f "$data/standby.signal" && sync "$data"; }
