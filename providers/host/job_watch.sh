# Follows the job in the directory $1: from which byte on its log is shown, what the log
# holds and gets, then, after the boundary $2, the exit status, from which byte on the end
# of the log is shown, and that end. The two positions tell the reader which bytes tail had
# no time to write before it was killed: none are lost, none come twice.
d=$1
[ -e "$d/argv" ] || exit 77

# begin LENGTH prints where the last LENGTH bytes begin.
begin() {
  size=$(wc -c <"$d/log") || size=0
  echo $((size > $1 ? size - $1 : 0))
}

from=$(begin 8192)
echo "$from"
tail -c +$((from + 1)) -f "$d/log" &
t=$!
flock -s "$d/lock" true # waits for the end
kill $t
wait $t 2>/dev/null
printf '\n%s ' "$2"
s=killed
[ ! -e "$d/status" ] || read -r s <"$d/status"
echo "$s"
from=$(begin 16384)
echo "$from"
tail -c +$((from + 1)) "$d/log"
