# Asks the server program $1 whether it would start in the data directory $2, with the options that follow.
set -f
postgres=$1 data=$2
shift 2
no() { echo "the server would not start: $*" >&2; exit 1; }
get() { n=$1; shift; "$postgres" -C "$n" "$@"; }
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
[ "$need" -le "$memory" ] || no "shared_buffers takes $need kB, and the machine has $memory kB"
if [ "$(get huge_pages "$@")" = on ]; then
  huge=$(awk '/^HugePages_Total:/ { n = $2 } /^Hugepagesize:/ { s = $2 } END { print n * s }' /proc/meminfo)
  [ "$need" -le "$huge" ] || no "huge_pages = on: shared_buffers takes $need kB, and the machine has $huge kB of huge pages"
fi
some=''
for s in $(get unix_socket_directories "$@" | tr , ' '); do
  case $s in @*) some=$s ;; *) [ ! -d "$s" ] || [ ! -w "$s" ] || some=$s ;; esac
done
[ -n "$some" ] || no "unix_socket_directories: none of them is a directory that can be written"
l=$(get listen_addresses "$@" | tr , ' ') some=''
for a in $l; do
  case $a in '*') some=$a ;; *) ! getent ahosts "$a" >/dev/null || some=$a ;; esac
done
[ -z "$l" ] || [ -n "$some" ] || no "listen_addresses: $l does not resolve"
if [ "$(get wal_level "$@")" = minimal ]; then
  [ "$(get max_wal_senders "$@")" = 0 ] || no "wal_level = minimal, and max_wal_senders is not 0"
  [ "$(get archive_mode "$@")" = off ] || no "wal_level = minimal, and archive_mode is on"
fi
[ "$(get max_connections "$@")" -gt "$(get superuser_reserved_connections "$@")" ] || no "superuser_reserved_connections leaves nothing of max_connections"
