# Takes the lock $2 in the directory $1 for $3, waiting $4 seconds at most, and holds it
# until stdin ends, is silent for $5 seconds, or says that it is given back. The lock's
# file names the holder and, below, its token $6. With $7 it is taken again by a holder
# whose connection was lost: only if the token is still there, since everybody who takes
# the lock writes another one, and nobody has held it meanwhile.
umask 077
mkdir -p "$1" || exit 1
for p in "${1%/*}" "$1" "$1/$2"; do
  [ ! -L "$p" ] && { [ ! -e "$p" ] || [ -O "$p" ]; } || { echo "$p is a symbolic link or belongs to another user: repltool does not use it" >&2; exit 1; }
done
f=$1/$2
exec 9>>"$f" || exit 1
flock -n 9 || { case $4 in 0.00) false ;; *) flock -w "$4" 9 ;; esac } || {
  s=$?
  [ $s = 1 ] || exit $s
  head -n 1 "$f"
  exit 75
}
if [ -n "$7" ]; then
  { read -r _ && read -r token; } <"$f"
  [ "$token" = "$6" ] || { head -n 1 "$f"; exit 76; }
else
  printf '%s, since %s\n%s\n' "$3" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$6" >"$f"
fi
echo taken
while c=$(timeout "$5" head -c 1 9>&-) && [ -n "$c" ]; do
  [ "$c" = x ] || { : >"$f"; exit; }
  echo kept
done
