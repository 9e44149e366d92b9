# What a copy fills, what stands there, and whether its source can be reached. Part of
# discover.sh.

# links answers where a data directory's links lead, a line each: name, tab, directory.
links() {
  for l in "$1/pg_wal" "$1"/pg_tblspc/*; do
    [ ! -L "$l" ] || printf '%s\t%s\n' "${l#"$1"/}" "$(readlink -- "$l")"
  done
}

# pinned tells why a directory cannot be put under another name by us, or what would go
# along with it that is not this cluster's.
pinned() {
  parent=${1%/*}
  if [ -L "$1" ]; then
    echo 'it is a symbolic link'
  elif mountpoint -q -- "$1"; then
    echo 'a file system is mounted on it'
  elif [ ! -w "${parent:-/}" ]; then
    echo "$W_USER cannot write ${parent:-/}"
  elif [ "${2%/*}" = pg_tblspc ] && [ "$(ls -A -- "$1" | wc -l)" -gt 1 ]; then
    echo 'it holds more than the tablespace of this cluster'
  fi
}

# put_dir DIRECTORY LINK puts a directory and its file system.
put_dir() {
  holds "$1"
  put dir "$1"
  locked=0 aside=0
  [ -w "$up" ] || locked=1
  [ ! -e "$1.repltool-old" ] || aside=1
  printf '\n%s %s %s %s\n%s\n' "$HELD" $locked $aside "$2" "$([ $HELD = absent ] || pinned "$1" "$2")"
  df -P -k -- "$up"
}

# put_dirs puts the data directory, what its links lead to, and others that are asked.
put_dirs() {
  put_dir "$DATA" ''
  l=$(links "$DATA")
  while IFS=$tab read -r link dir; do
    [ -z "$dir" ] || put_dir "$dir" "$link"
  done <<EOF
$l
EOF
  for d; do
    case "$l
" in *"$tab$d
"*) ;; *) put_dir "$d" '' ;; esac
  done
  [ ! -e "$DATA.repltool-old" ] || { put aside && links "$DATA.repltool-old"; }
  [ $RUNNING = 1 ] || put_mounts "$@"
}

# put_mounts DIRECTORY… puts what is mounted, what is to be mounted, and the true paths of
# the data directory, what its links lead to, and the directories asked about.
put_mounts() {
  put mounts
  cat /proc/self/mounts 2>/dev/null
  put fstab
  no_other /etc/fstab
  cat /etc/fstab 2>/dev/null
  put mount_units
  for u in /etc/systemd/system/*.mount /usr/local/lib/systemd/system/*.mount /usr/lib/systemd/system/*.mount; do
    ! regular "$u" || printf '%s\0' "$u"
  done | xargs -0 sed -n 's/^Where=//p' /dev/null
  set -- "$@" "$DATA"
  while IFS=$tab read -r _ dir; do
    [ -z "$dir" ] || set -- "$@" "$dir"
  done <<EOF
$l
EOF
  put places
  for d; do
    t=$(readlink -m -- "$d") || t=$d
    printf '%s\0%s\0' "$d" "$t"
  done
}

# put_reach HOST PORT tells why the upstream's port does not answer, where a copy is to
# be made or the standby follows another: one that follows it already pays nothing.
put_reach() {
  [ $STATE != cluster ] || ! follows "$1" "$2" || return 0
  e=$(reach "$1" "$2")
  [ -z "$e" ] || put unreached "$e"
}

# follows HOST PORT tells whether the standby's settings name that upstream.
follows() {
  regular "$DATA/postgresql.auto.conf" || return 1
  while read -r line || [ -n "$line" ]; do
    case $line in *"host=$1 port=$2 "* | *"host=$1 port=$2'"*) return 0 ;; esac
  done <"$DATA/postgresql.auto.conf"
  return 1
}

# put_publishers HOST PORT … tells the same of publishers, of those that the passfile of
# the cluster's subscriptions does not name yet.
put_publishers() {
  put publishers
  while [ $# -gt 1 ]; do
    if ! grep -qsF -e "$1:$2:" -e "$1:*:" "$REPLTOOL/$W_CLUSTER.subscriptions.pass"; then
      (
        e=$(reach "$1" "$2")
        [ -z "$e" ] || printf '%s %s %s\n' "$1" "$2" "$e"
      ) &
    fi
    shift 2
  done
  wait
}

# put_sources HOST… puts from which address this machine connects to others: a line for
# each of their addresses, with ours as /proc/net/udp has it. A connected UDP socket has
# one, and sends nothing.
put_sources() {
  command -v bash >/dev/null || return 0
  a=''
  for h; do
    case $h in
      *:*) a="$a $h" ;;
      *[!0-9.]*) ;; # a name
      *) a="$a $h" ;;
    esac
    while read -r name rest; do
      [ "$name" != "$h" ] || a="$a $rest"
    done <<EOF
$resolved
EOF
  done
  put sources
  bash -c '
    for a; do
      { exec 3<>"/dev/udp/$a/9"; } 2>/dev/null || continue
      inode=$(readlink /proc/$$/fd/3)
      for f in /proc/net/udp /proc/net/udp6; do
        [ ! -r $f ] || while read -r _ ours _ _ _ _ _ _ _ i _; do
          [ "socket:[$i]" != "$inode" ] || echo "$a $ours"
        done <$f
      done
    done' bash $a
}

# reach HOST PORT prints why a port does not answer.
reach() {
  command -v bash >/dev/null || return 0
  e=$(LC_ALL=C timeout 3 bash -c 'exec 3<>"/dev/tcp/$1/$2"' bash "$1" "$2" 2>&1)
  case $? in
    0) ;;
    124) echo 'no answer within 3 s' ;;
    *) echo "${e##*: }" ;;
  esac
}
