# Follows the job in the directory $1: what its log holds and gets, then, after the
# boundary $2, its exit status and the end of the log.
d=$1
[ -e "$d/argv" ] || exit 77
tail -c 8192 -f "$d/log" &
t=$!
flock -s "$d/lock" true # waits for the end
kill $t
wait $t 2>/dev/null
printf '\n%s ' "$2"
cat "$d/status" 2>/dev/null || echo killed
tail -c 4096 "$d/log"
