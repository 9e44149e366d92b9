# Takes the lock $2 in the directory $1 for $3, waiting $4 seconds at most, and holds
# it until stdin ends or is silent for $5 seconds.
umask 077
mkdir -p "$1" || exit 1
f=$1/$2
exec 9>>"$f" || exit 1
flock -n 9 || { case $4 in 0.00) false ;; *) flock -w "$4" 9 ;; esac } || {
  s=$?
  [ $s = 1 ] || exit $s
  cat "$f"
  exit 75
}
printf '%s, since %s\n' "$3" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" >"$f"
echo taken
while [ -n "$(timeout "$5" head -c 1 9>&-)" ]; do :; done
: >"$f"
