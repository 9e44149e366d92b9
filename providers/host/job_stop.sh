# stop or remove the job in the directory $2.
d=$2
[ -d "$d" ] || { [ "$1" = remove ] && exit 0; exit 77; }
if [ "$1" = remove ]; then
  flock -n "$d/lock" true || { sleep 0.3 && flock -n "$d/lock" true; } || exit 76
  rm -rf -- "$d"
  exit
fi
flock -n -s "$d/lock" true && exit 0
read -r p <"$d/pid" && [ "$p" -gt 1 ] || exit 77
kill -TERM "-$p" 2>/dev/null
flock -w 10 -s "$d/lock" true && exit 0
kill -KILL "-$p" 2>/dev/null
flock -w 10 -s "$d/lock" true
