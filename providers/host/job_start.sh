# Starts a job in the directory $1 with $2 variables and then the command.
umask 077
d=$1 n=$2
shift 2
mkdir -p "$d" || exit 1
for p in "${d%/jobs/*}" "${d%/*}" "$d" "$d/lock" "$d/log" "$d/argv" "$d/status"; do
  [ ! -L "$p" ] && { [ ! -e "$p" ] || [ -O "$p" ]; } || { echo "$p is a symbolic link or belongs to another user: repltool does not use it" >&2; exit 1; }
done
exec 9>>"$d/lock"
flock -n 9 || { sleep 0.3 && flock -n 9; } || { # somebody may only have looked
  [ "$(printf '%s\0' "$@" | cksum)" = "$(cksum <"$d/argv.all")" ] && exit 0
  tr '\0' ' ' <"$d/argv" >&2
  exit 75
}
# One that ended well while we were on our way is done: it is not done twice.
[ "$(cat "$d/status" 2>/dev/null)" = 0 ] && [ "$(printf '%s\0' "$@" | cksum)" = "$(cksum <"$d/argv.all")" ] && exit 0
# One that ended badly on our way marks what it left: that goes first, or nobody knows
# any more whose it is.
[ ! -e "$d/argv" ] || [ "$(cat "$d/status" 2>/dev/null)" = 0 ] || exit 78
rm -f "$d/status" "$d/pid"
: >"$d/log" || exit 1
# Room for the exit status, which is written into it: a disk that the command fills up
# must not cost us how it ended.
printf '\n\n\n\n\n\n\n\n' >"$d/status.new" || exit 1
printf '%s\0' "$@" >"$d/argv.all" || exit 1
while [ "$n" -gt 0 ]; do
  export "${1?}"
  shift
  n=$((n - 1))
done
# Whole or not at all: it is the record of what the command makes.
printf '%s\0' "$@" >"$d/argv.new" && mv -f "$d/argv.new" "$d/argv" || exit 1
# The job keeps descriptor 9, and with it the lock; a new session keeps it from the
# signals of this one.
setsid sh -c '
d=$1
shift
echo $$ >"$d/pid.new" && mv -f "$d/pid.new" "$d/pid" || exit 1
"$@" >"$d/log" 2>&1 </dev/null
echo $? 1<>"$d/status.new" && mv -f "$d/status.new" "$d/status"
' sh "$d" "$@" </dev/null >/dev/null 2>&1 &
i=0
while [ ! -e "$d/pid" ]; do
  i=$((i + 1))
  [ $i -lt 500 ] || { echo 'the command did not start' >&2; exit 1; }
  sleep 0.02
done
