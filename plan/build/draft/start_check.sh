# Asks the server program $1 whether it would start in the data directory $2, as $3 (standby or primary). $4 is restart, or
# start where none runs; the options of the program follow.
set -f
postgres=$1 data=$2 role=$3 verb=$4
shift 4
no() { echo "the server would not start: $*" >&2; exit 1; }
get() { n=$1; shift; "$postgres" -C "$n" "$@"; }
if [ "$role" = standby ]; then
  [ -e "$data/standby.signal" ] || no "$data/standby.signal is missing, and without it the server would be a second primary"
else
  [ ! -e "$data/standby.signal" ] || no "$data/standby.signal exists, and with it the server would be a standby"
fi
dir=$(get data_directory "$@") || exit 1
[ "$dir" -ef "$data" ] || no "data_directory is $dir"
f=$(get hba_file "$@")
[ -f "$f" ] && [ -r "$f" ] || no "hba_file: $f cannot be read"
lib=${postgres%/*}/../lib
if [ -e "$lib/plpgsql.so" ] && [ "$(get dynamic_library_path "$@")" = '$libdir' ]; then
  for l in $(get shared_preload_libraries "$@" | tr -d '" ' | tr , ' '); do
    l=${l#'$libdir/'}
    case $l in /*) ;; *) l=$lib/$l ;; esac
    [ -e "$l" ] || [ -e "$l.so" ] || no "shared_preload_libraries: there is no ${l##*/} in the library directory"
  done
fi
if [ "$(get ssl "$@")" = on ]; then
  for n in ssl_cert_file ssl_key_file ssl_ca_file ssl_crl_file; do
    f=$(get $n "$@")
    case $f in '') continue ;; /*) ;; *) f=$dir/$f ;; esac
    [ -f "$f" ] && [ -r "$f" ] || no "$n: $f cannot be read"
    [ $n != ssl_cert_file ] || cert=$f
    [ $n != ssl_key_file ] || key=$f mode=$(stat -L -c %a -- "$f") owner=$(stat -L -c %u -- "$f")
  done
  if command -v openssl >/dev/null; then
    of=$(openssl x509 -noout -pubkey -in "$cert" 2>&1) || no "ssl_cert_file: $cert is no certificate: $of"
    if ! grep -q ENCRYPTED "$key"; then
      is=$(openssl pkey -pubout -in "$key" 2>&1) || no "ssl_key_file: $key is no key: $is"
      [ "$of" = "$is" ] || no "ssl_key_file: $key is not the key of ssl_cert_file $cert"
    fi
  fi
  [ $((0$mode & 077)) = 0 ] || { [ "$owner" = 0 ] && [ $((0$mode & 037)) = 0 ]; } || no "ssl_key_file has mode $mode, and must not be accessible to group or others"
fi
need=$(($(get shared_buffers "$@") * $(get block_size "$@") / 1024))
memory=$(awk '/^(MemTotal|SwapTotal):/ { s += $2 } END { print s }' /proc/meminfo)
[ "$need" -le "$memory" ] || no "shared_buffers takes $need kB, and the host has $memory kB"
if [ "$(get huge_pages "$@")" = on ]; then
  huge=$(awk '/^HugePages_Total:/ { n = $2 } /^Hugepagesize:/ { s = $2 } END { print n * s }' /proc/meminfo)
  [ "$need" -le "$huge" ] || no "huge_pages = on: shared_buffers takes $need kB, and the host has $huge kB of huge pages"
fi
some=''
for s in $(get unix_socket_directories "$@" | tr , ' '); do
  case $s in @*) some=$s ;; *) [ ! -d "$s" ] || [ ! -w "$s" ] || some=$s ;; esac
done
[ -n "$some" ] || [ $verb = start ] || no "unix_socket_directories: none of them is a directory that can be written"
l=$(get listen_addresses "$@" | tr , ' ') some=''
for a in $l; do
  case $a in '*') some=$a ;; *) ! getent ahosts "$a" >/dev/null || some=$a ;; esac
done
[ -z "$l" ] || [ -n "$some" ] || no "listen_addresses: cannot resolve $l"
if [ "$(get wal_level "$@")" = minimal ]; then
  [ "$(get max_wal_senders "$@")" = 0 ] || no "wal_level = minimal, and max_wal_senders is not 0"
  [ "$(get archive_mode "$@")" = off ] || no "wal_level = minimal, and archive_mode is on"
fi
[ "$(get max_connections "$@")" -gt "$(get superuser_reserved_connections "$@")" ] || no "superuser_reserved_connections leaves no connection within max_connections"
mode=$(stat -L -c %a -- "$dir")
[ $((0$mode & 027)) = 0 ] || no "the data directory $dir has mode $mode, and PostgreSQL accepts 0700 and 0750"
if [ "$(get logging_collector "$@")" = on ]; then
  d=$(get log_directory "$@")
  case $d in /*) ;; *) d=$dir/$d ;; esac
  if [ -e "$d" ]; then up=$d; else up=${d%/*}; fi
  [ -d "$up" ] && [ -w "$up" ] && [ -x "$up" ] || no "log_directory: no file can be written in $d"
fi
if [ "$(get ssl "$@")" = on ]; then
  min=$(get ssl_min_protocol_version "$@") max=$(get ssl_max_protocol_version "$@")
  [ -z "$max" ] || [ "$(printf '%s\n' "$min" "$max" | LC_ALL=C sort | head -n 1)" = "$min" ] || no "ssl_min_protocol_version is $min, above ssl_max_protocol_version $max"
  if command -v openssl >/dev/null; then
    c=$(get ssl_ciphers "$@")
    openssl ciphers "$c" >/dev/null 2>&1 || no "ssl_ciphers: $c names no cipher"
  fi
fi
# What Debian's pg_ctlcluster reads, and refuses, before it starts the program.
etc=$(get config_file "$@")
etc=${etc%/*} cluster=${etc##*/} version=${etc%/*}
if [ "${version%/*}" = /etc/postgresql ]; then
  for f in environment pg_ctl.conf start.conf; do
    [ ! -e "$etc/$f" ] || { [ -f "$etc/$f" ] && [ -r "$etc/$f" ]; } || no "$etc/$f cannot be read"
  done
  if perl -MPgCommon -e 1 2>/dev/null; then
    e=$(perl -MPgCommon -e 'PgCommon::read_conf_file($_) for @ARGV' "$etc/environment" "$etc/pg_ctl.conf" 2>&1) || no "$e"
  fi
  [ ! -e "$etc/start.conf" ] || ! grep -q '^[[:space:]]*disabled' "$etc/start.conf" || no "$etc/start.conf says disabled, and pg_ctlcluster starts nothing then"
  log=/var/log/postgresql/postgresql-${version##*/}-$cluster.log
  [ ! -L "$etc/log" ] || log=$(readlink "$etc/log")
  [ ! -e "$log" ] || [ -w "$log" ] || no "the log $log cannot be written by $(id -un)"
fi
