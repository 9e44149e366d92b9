# Stops the server of the data directory $1, unless it is stopped, by the programs in $2, within $3 seconds; "no" as $4: the
# stop was asked for already. It is down when pg_control says that it was shut down: its process ends later, once everything
# is archived and sent. From then on the directory is that of a standby. Prints where the shutdown checkpoint begins.
umask 077
data=$1 bin=$2 end=$(($(date +%s) + $3)) nl='
'
if [ "$4" != no ] && [ -e "$data/postmaster.pid" ]; then
  "$bin/pg_ctl" stop --pgdata "$data" --mode fast --no-wait >/dev/null || exit
fi
turn=0
until control=$(LC_ALL=C "$bin/pg_controldata" "$data") || exit; case $control in *'cluster state:'*" shut down$nl"*) ;; *) false ;; esac; do
  turn=$((turn + 1))
  if [ $((turn % 50)) = 0 ] && [ "$(date +%s)" -ge "$end" ]; then
    echo "the server is not shut down after $3 s:" >&2
    printf '%s\n' "$control" | grep 'cluster state' >&2
    exit 1
  fi
  sleep 0.01
done
: >>"$data/standby.signal" && sync "$data/standby.signal" "$data" || exit
printf '%s\n' "$control" | sed -n 's/^Latest checkpoint location: *//p'
