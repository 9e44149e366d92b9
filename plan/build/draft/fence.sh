# Makes the data directory $1 of a primary that is down that of a standby, with the lines that follow for postgresql.auto.conf, and
# fails if a server runs in it.
data=$1
shift
down() {
  pid=$(server_in "$data") || return 0
  echo "a server was started in $data meanwhile (process $pid): $1. Plan again" >&2
  exit 1
}
down 'nothing was changed there'
auto=$data/postgresql.auto.conf
[ -z "$(tail -c 1 "$auto")" ] || echo >>"$auto" || exit
[ $# = 0 ] || { printf '%s\n' "$@" >>"$auto" && sync "$auto"; } || exit
: >>"$data/standby.signal" && sync "$data/standby.signal" "$data" || exit
down 'standby.signal is there now, and counts when it starts again'
