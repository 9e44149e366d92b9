[ -e "$1" ] || { d=$1; while d=${d%/*}; [ -n "$d" ] && [ ! -d "$d" ]; do :; done
  [ -x "${d:-/}" ] || exit 81; exit 80; }
[ -r "$1" ] || exit 81
exec cat -- "$1"
