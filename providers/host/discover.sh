# Finds everything of facts.Host as the OS user, in one go. POSIX sh. Before it stand
# discover_layout.sh, which chooses the instance, and discover_clone.sh; before them is set:
# B, the boundary of the answer's fields, and W_…, what the topology says ("" for what
# is to be found). extra asks the topology's further questions.

tab='	'

# put NAME [TEXT] begins a field of the answer.
put() {
  printf '\n%s %s\n' "$B" "$1"
  [ $# -lt 2 ] || printf '%s' "$2"
}

# fail KIND TEXT HINT ends the search.
fail() {
  put error.kind "$1"
  put error.text "$2"
  put error.hint "$3"
  put end
  exit 0
}

# regular PATH tells of a file that can be read to its end: a FIFO waits for a writer, and a
# device may have no end.
regular() { [ -f "$1" ] && [ -r "$1" ]; }

# no_other PATH… ends the search over what is there and is not a regular file.
no_other() {
  for f; do
    [ ! -e "$f" ] || [ -f "$f" ] || [ "$f" -ef /dev/null ] || fail data "$f is not a regular file" "Check it on that host: ls -l $f"
  done
}

number() { case $1 in '' | *[!0-9]*) return 1 ;; esac; }

# put_lacked NAME… answers those of which the library directory has no file. Packages put
# it beside the programs; where it is elsewhere, nothing is said.
put_lacked() {
  [ -e "$BIN/../lib/plpgsql.so" ] || return 0
  m=''
  for l; do
    [ -e "$BIN/../lib/$l.so" ] || m="$m $l"
  done
  put lacked "$m"
}

# pidfile DIR reads DIR/postmaster.pid; true when that server runs.
pidfile() {
  p_pid='' p_port='' p_sock=''
  regular "$1/postmaster.pid" || return 1
  { read -r p_pid && read -r _ && read -r _ && read -r p_port && read -r p_sock; } <"$1/postmaster.pid"
  p_pid=${p_pid#-}
  number "$p_pid" && kill -0 "$p_pid" 2>/dev/null || return 1
  # The number may be another process by now, or a dead one that nobody has reaped; a
  # postmaster stands in its directory.
  [ ! -e /proc/self ] || [ "/proc/$p_pid/cwd" -ef "$1" ]
}

# newest answers the newest major version among programs named …/V/… or …-V/….
newest() {
  best=''
  for b; do
    [ -x "$b" ] || continue
    v=${b%/bin/postgres}
    v=${v##*[/-]}
    number "$v" && [ "$v" -ge 13 ] && [ "$v" -gt "${best:-0}" ] && best=$v
  done
}

# installed answers the versions that are there, for a message.
installed() {
  i=''
  for b in /usr/lib/postgresql/*/bin/postgres /usr/pgsql-*/bin/postgres; do
    [ -x "$b" ] && i="$i, ${b%/postgres}"
  done
  b=$(command -v postgres) && case $i in *"${b%/postgres}"*) ;; *) i="$i, ${b%/postgres}" ;; esac
  printf '%s' "${i#, }"
}

no_binaries() {
  v=${1:+ $1}
  i=$(installed)
  fail binaries "PostgreSQL$v is not installed: looked in /usr/lib/postgresql/${1:-*}/bin, /usr/pgsql-${1:-*}/bin and PATH; found ${i:-none}" \
    "Install PostgreSQL$v on that host, or set bin_dir."
}

# missing ends the search unless the path does not exist: a file system that does not
# answer, or fails, reads like an empty one.
missing() {
  e=$(LC_ALL=C stat -- "$1" 2>&1)
  case $e in
    *'No such file or directory' | *'Not a directory') ;;
    *) fail read "repltool cannot determine whether $1 exists: $e" "Check the file system on that host." ;;
  esac
}

# look tells whether a path can be looked at; up is its nearest ancestor.
look() {
  up=$1
  while [ ! -e "$up" ] && [ ! -L "$up" ]; do
    up=${up%/*}
    up=${up:-/}
  done
  [ "$up" = "$1" ] || [ -x "$up" ] || [ ! -d "$up" ] || fail privilege "user $W_USER cannot access $up, so whether $1 exists is unknown" "Give $W_USER access to $up, or set os_user to its owner."
  [ "$up" = "$1" ] || missing "$1"
}

# holds tells what a directory holds: HELD is absent, empty or foreign.
holds() {
  look "$1"
  HELD=absent
  if [ -d "$1" ]; then
    HELD=empty
    for f in "$1"/* "$1"/.[!.]* "$1"/..?*; do
      [ ! -e "$f" ] && [ ! -L "$f" ] || { HELD=foreign && break; }
    done
    [ -r "$1" ] && [ -x "$1" ] || HELD=foreign
  elif [ -e "$1" ] || [ -L "$1" ]; then
    HELD=foreign
  fi
}

# data_state tells what the data directory holds.
data_state() {
  holds "$DATA"
  STATE=$HELD DATA_UP=$up
  no_other "$DATA/PG_VERSION" "$DATA/postgresql.auto.conf" "$DATA/postmaster.pid" "$DATA/postmaster.opts"
  [ -d "$DATA" ] && regular "$DATA/PG_VERSION" && read -r PGV <"$DATA/PG_VERSION" && [ -e "$DATA/global/pg_control" ] && STATE=cluster
  RUNNING=0
  pidfile "$DATA" && RUNNING=1
}

# find_bin finds the binaries: those that run, of the version wanted, of the data
# directory's, the newest.
find_bin() {
  if [ -n "$W_BIN" ]; then
    BIN=$W_BIN
    [ -x "$BIN/postgres" ] || fail binaries "bin_dir $BIN contains no postgres program" "Correct bin_dir, or remove it: repltool finds the programs without it."
    V=''
  elif [ $RUNNING = 1 ] && running_program && [ -x "$b" ]; then
    BIN=${b%/*} V=''
  else
    bin_of "${V:-${W_VERSION:-$PGV}}"
  fi
  known_version
}

# running_program sets b to the program of the server that runs: the one that postmaster.opts
# begins with, which is nearly always right and needs no process to be read.
running_program() {
  b=''
  ! regular "$DATA/postmaster.opts" || read -r b <"$DATA/postmaster.opts"
  b=${b%%\ \"*}
  [ "$b" -ef "/proc/$p_pid/exe" ] && [ ! -L "$b" ] || b=$(readlink "/proc/$p_pid/exe")
}

bin_of() {
  V=$1
  [ -n "$V" ] || { newest /usr/lib/postgresql/*/bin/postgres /usr/pgsql-*/bin/postgres; V=$best; }
  for BIN in "/usr/lib/postgresql/$V/bin" "/usr/pgsql-$V/bin"; do
    [ -n "$V" ] && [ -x "$BIN/postgres" ] && return
  done
  b=$(command -v postgres) || no_binaries "$V"
  BIN=${b%/*} want=$V V=''
  known_version
  [ -z "$want" ] || [ "$want" = "$V" ] || no_binaries "$want"
}

# known_version fills in the version of the binaries in BIN.
known_version() {
  [ -z "$V" ] || return 0
  case $BIN in
    /usr/lib/postgresql/*/bin | /usr/pgsql-*/bin) V=${BIN%/bin} V=${V##*[/-]} ;;
    *) V=$("$BIN/postgres" -V) V=${V#*) } V=${V%%[!0-9]*} ;;
  esac
}

# find_config finds the directory of the files and what they say.
find_config() {
  [ -z "$W_CONF" ] || [ "$W_CONF" = "$CONF" ] || { CONF=$W_CONF HBA=''; }
  if [ -z "$CONF" ]; then
    CONF=$DATA
    c=$(sed -n 's/.*"\(-c\)\{0,1\}\(--\)\{0,1\}config_file=\([^"]*\)\/[^"\/]*".*/\3/p' "$DATA/postmaster.opts" 2>/dev/null)
    [ -z "$c" ] || ! regular "$c/postgresql.conf" || CONF=$c
  fi
  no_other "$CONF/postgresql.conf" "$CONF"/conf.d/*.conf "$CONF/start.conf"
  if [ $LAYOUT != debian ] || [ -n "$W_CONF" ]; then
    set --
    for f in "$CONF/postgresql.conf" "$CONF"/conf.d/*.conf; do regular "$f" && set -- "$@" "$f"; done
    [ $# -eq 0 ] || IFS=$tab read -r _ PORT _ HBA SOCK _ <<EOF
$(settings "$@")
EOF
    HBA=${HBA#-} SOCK=${SOCK#-}
  fi
  case $HBA in '') HBA=$CONF/pg_hba.conf ;; /*) ;; *) HBA=$DATA/$HBA ;; esac
}

# find_socket finds the directory of the Unix socket.
find_socket() {
  SOCK=${SOCK%%,*}
  if [ $RUNNING = 1 ]; then
    [ -S "$W_SOCKET/.s.PGSQL.$p_port" ] && SOCK=$W_SOCKET || SOCK=$p_sock
  elif [ -n "$W_SOCKET" ]; then
    SOCK=$W_SOCKET
  elif [ -z "$SOCK" ]; then
    case $BIN in
      /usr/lib/postgresql/*) SOCK=/var/run/postgresql ;;
      *) SOCK=$("$BIN/postgres" -C unix_socket_directories -c config_file=/dev/null -c hba_file=/dev/null -c ident_file=/dev/null -c data_directory=/ 2>/dev/null) SOCK=${SOCK%%,*} SOCK=${SOCK:-/tmp} ;;
    esac
  fi
}

# find_service finds how the instance is started and stopped. OUTSIDE tells that the
# server runs, and not as the unit's process: systemd would start a second one, and
# stop none. DISABLED tells that the unit does not start at boot; Debian's are wanted
# by start.conf instead.
find_service() {
  KIND=pg_ctl UNIT=$W_SERVICE OUTSIDE='' DISABLED='' START=''
  [ $LAYOUT != debian ] || KIND=pg_ctlcluster
  if [ -d /run/systemd/system ]; then
    [ -n "$UNIT" ] || case $LAYOUT:$DATA in
      debian:*) UNIT=postgresql@$V-$INSTANCE ;;
      rpm:/var/lib/pgsql/data) UNIT=postgresql ;;
      "rpm:/var/lib/pgsql/$V/data") UNIT=postgresql-$V ;;
    esac
    [ -z "$UNIT" ] || ask_systemd
  fi
  [ $KIND = systemd ] || UNIT=''
  [ $LAYOUT != debian ] || start_conf
}

# start_conf reads Debian's word on whether the instance starts at boot.
start_conf() {
  START=auto
  [ -f "$CONF/start.conf" ] && [ -r "$CONF/start.conf" ] || return 0
  while read -r s _; do
    case $s in '' | '#'*) ;; *) START=$s ;; esac
  done <"$CONF/start.conf"
}

ask_systemd() {
  s=$(systemctl show -p LoadState -p ActiveState -p MainPID -p UnitFileState -- "$UNIT" 2>&1) || fail read "systemctl show $UNIT: $s" "Check systemd on that host."
  case $s in
    *LoadState=loaded*) KIND=systemd ;;
    *)
      [ -z "$W_SERVICE" ] || fail data "systemd has no unit $UNIT to start" "Correct service, or remove it: repltool finds the unit without it."
      return
      ;;
  esac
  case $s in *UnitFileState=disabled*) [ $LAYOUT = debian ] || DISABLED=1 ;; esac
  [ $RUNNING = 1 ] || return 0
  case "$s
" in
    *"MainPID=$p_pid
"* | *ActiveState=activating* | *ActiveState=deactivating*) ;;
    *) OUTSIDE=1 ;;
  esac
}

# find_port tells where the server listens, and who else does on the node's port.
find_port() {
  OWNER=''
  if [ $RUNNING = 1 ]; then
    PORT=$p_port
    [ "$p_port" != "$W_PORT" ] || return 0
  fi
  hex=$(printf ':%04X' "$W_PORT")
  uid=$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v p="$hex" '$4 == "0A" && substr($2, length($2) - 4) == p { print $8; exit }')
  [ -n "$uid" ] || return 0
  u=$(id -un "$uid" 2>/dev/null) && OWNER="a program of $u" || OWNER="a program of uid $uid"
  while IFS=$tab read -r d p; do
    [ "$p" != "$W_PORT" ] || OWNER="the PostgreSQL server with the data directory $d"
  done <<EOF
$(servers)
EOF
}

# readable PATH sets F to the path, or to what reads as nothing for one that is not there.
readable() {
  F=/dev/null
  [ -e "$1" ] || return 0
  no_other "$1"
  [ -f "$1" ] || return 0
  [ -r "$1" ] || fail privilege "user $W_USER cannot read $1" "Give $W_USER permission to read it."
  F=$1
}

# put_files puts the paths, modes, owners and texts of the files, with one stat and one
# cat: to start a program is most of what a look costs. What stands between the texts
# comes from here-documents.
put_files() {
  put conf.path "$CONF/postgresql.conf"
  put hba.path "$HBA"
  put pass.path "$REPLTOOL/$W_NODE.pass"
  put subscriptions.path "$REPLTOOL/$W_CLUSTER.subscriptions.pass"
  put stats
  set -- "$DATA" "$CONF/postgresql.conf" "$HBA" "$REPLTOOL/$W_NODE.pass" "$REPLTOOL/$W_CLUSTER.subscriptions.pass"
  [ "$DATA_UP" = "$DATA" ] || set -- "$@" "$DATA_UP"
  [ ! -e /proc/self/ns/net ] || set -- "$@" /proc/self/ns/net
  LC_ALL=C stat -L -c '%d:%i %a %.9Z %U %n' -- "$@" 2>&1
  readable "$REPLTOOL/$W_NODE.pass" && pass=$F
  readable "$REPLTOOL/$W_CLUSTER.subscriptions.pass" && subs=$F
  readable "$HBA" && hba=$F
  readable "$CONF/postgresql.conf"
  put conf.text
  cat -- "$F" - "$hba" /dev/fd/3 "$pass" /dev/fd/4 "$subs" <<HBA 3<<PASS 4<<SUBSCRIPTIONS

$B hba.text
HBA

$B pass.text
PASS

$B subscriptions.text
SUBSCRIPTIONS
}

# put_new_cluster puts what pg_createcluster adds to the files of a new cluster.
put_new_cluster() {
  c=/etc/postgresql-common
  put new_cluster
  cat $c/createcluster.conf $c/createcluster.d/*.conf 2>/dev/null
  put new_cluster.tls
  [ -e /etc/ssl/certs/ssl-cert-snakeoil.pem ] && [ -r /etc/ssl/private/ssl-cert-snakeoil.key ] || return 0
  ! grep -qs '^ssl *=* *.\{0,1\}\(off\|no\|false\|0\)' $c/createcluster.conf $c/createcluster.d/*.conf || return 0
  echo "ssl_cert_file = '/etc/ssl/certs/ssl-cert-snakeoil.pem'"
  echo "ssl_key_file = '/etc/ssl/private/ssl-cert-snakeoil.key'"
  ! grep -qs '^-----BEGIN CERTIFICATE-----' $c/root.crt || echo "ssl_ca_file = '$c/root.crt'"
  [ ! -e $c/root.crl ] || echo "ssl_crl_file = '$c/root.crl'"
  echo 'ssl = on'
}

# put_auto_conf puts what ALTER SYSTEM has set: of the data directory, and of the one that
# waits aside.
put_auto_conf() {
  f=$DATA/postgresql.auto.conf
  [ $STATE != cluster ] || [ ! -f "$f" ] || [ ! -r "$f" ] || { put auto && cat -- "$f" && put auto.stamp && LC_ALL=C stat -c %.9Z -- "$f"; }
  f=$DATA.repltool-old/postgresql.auto.conf
  [ ! -f "$f" ] || [ ! -r "$f" ] || { put aside_auto && cat -- "$f"; }
}

# put_earlier puts the password files of other names that have a block of the data
# directory's: what it logged in by when its node or cluster was named otherwise.
put_earlier() {
  set --
  for p in "$REPLTOOL"/*.pass; do
    [ ! -f "$p" ] || [ "$p" = "$REPLTOOL/$W_NODE.pass" ] || [ "$p" = "$REPLTOOL/$W_CLUSTER.subscriptions.pass" ] || set -- "$@" "$p"
  done
  [ $# -gt 0 ] || return 0
  grep -lsxF -e "# repltool $DATA: begin" -- "$@" | while read -r p; do
    put earlier_pass "$p"
    echo
    cat -- "$p"
  done
}

# put_jobs puts what detached commands are known.
put_jobs() {
  for j in "$1"/jobs/*/; do
    regular "${j}argv" || regular "${j}absent" || continue
    id=${j%/}
    id=${id##*/}
    running=0
    [ ! -e "${j}lock" ] || flock -n -s "${j}lock" true || running=1
    put "job.$id.running" $running
    put "job.$id.argv"
    ! regular "${j}argv" || cat "${j}argv"
    ! regular "${j}absent" || { put "job.$id.absent" && cat "${j}absent"; }
    [ $running = 0 ] || ! regular "${j}pid" || { put "job.$id.pid" && cat "${j}pid"; }
    ! regular "${j}status" || { put "job.$id.status" && cat "${j}status"; }
    # A copy looks at its directories before it writes; it speaks English, as a job.
    ! grep -qs 'exists but is not empty' "${j}log" || put "job.$id.refused" 1
  done
}

resolve() {
  for h; do
    (
      a=$(timeout 5 getent ahosts "$h" | while read -r a t _; do [ "$t" != STREAM ] || printf ' %s' "$a"; done)
      printf '%s%s\n' "$h" "$a"
    ) &
  done
  wait
}

put_control() {
  [ $STATE = cluster ] || return 0
  b=$BIN
  [ "$PGV" = "$V" ] || for d in "/usr/lib/postgresql/$PGV/bin" "/usr/pgsql-$PGV/bin"; do [ ! -x "$d/pg_controldata" ] || b=$d; done
  CONTROL=$(LC_ALL=C "$b/pg_controldata" "$DATA" 2>&1)
  put control "$CONTROL
"
}

# controls NAME answers what pg_controldata says of it.
controls() { printf '%s\n' "$CONTROL" | sed -n "s|^$1: *||p"; }

dump_wal() {
  t=$1 from=$2
  shift 2
  LC_ALL=C timeout 10 "$b/pg_waldump" -p "$DATA/pg_wal" -t $((0x$t)) -s "$from" "$@"
  [ $? -ne 124 ] || { echo 'not read' && echo 'not read' >&2; }
}

# put_wal_end answers the last record in pg_wal of a server that is down: on the newest timeline
# of which there is WAL, from the last checkpoint or the first segment of that timeline on. It is the
# one that pg_waldump names where WAL ends; where that is the end of a file, it has to be listed.
put_wal_end() {
  [ $STATE = cluster ] && [ $RUNNING = 0 ] && [ ! -e "$DATA/backup_label" ] && [ -x "$b/pg_waldump" ] && [ -n "$1" ] || return 0
  from=$(controls "Latest checkpoint's REDO location") size=$(controls 'Bytes per WAL segment')
  number "$size" && number "$(controls "Latest checkpoint's TimeLineID")" || return 0
  if [ $((0x$1)) -ne "$(controls "Latest checkpoint's TimeLineID")" ]; then
    first=$(LC_ALL=C ls "$DATA/pg_wal" | awk -v t="$1" 'length == 24 && substr($0, 1, 8) == t { print substr($0, 9); exit }')
    from=$(printf '%X/%X' $((0x${first%????????})) $((0x${first#????????} * size)))
  fi
  end=$(dump_wal "$1" "$from" -r XLOG 2>&1 >/dev/null | tail -n 1)
  case $end in *'error in WAL record at'* | *'not read'*) ;; *) end=$(dump_wal "$1" "$from" 2>/dev/null | tail -n 1) ;; esac
  put wal.end "$end
"
  put_wal_sum "$1" "$end"
}

# put_wal_sum TIMELINE END answers the checksum of the last record's segment up to and with the header of
# that record, 24 bytes: its file, the length, the sum.
put_wal_sum() {
  last=$(printf '%s\n' "$2" | sed -n 's|.* lsn: \([0-9A-F]*/[0-9A-F]*\), prev .*|\1|p; s|.*error in WAL record at \([0-9A-F]*/[0-9A-F]*\): .*|\1|p')
  [ -n "$last" ] || return 0
  seg=$(printf '%s%08X%08X' "$1" $((0x${last%/*})) $((0x${last#*/} / size))) bytes=$((0x${last#*/} % size + 24))
  ! regular "$DATA/pg_wal/$seg" || put wal.sum "$seg $bytes $(head -c $bytes "$DATA/pg_wal/$seg" | sha256sum)
"
}

# put_timelines answers the newest timeline of which there is WAL, the oldest segment of any, and
# the newest history file.
put_timelines() {
  [ -d "$DATA/pg_wal" ] || return 0
  w=$(LC_ALL=C ls "$DATA/pg_wal" | LC_ALL=C awk '
    length == 24 && /^[0-9A-F]*$/ {
      wal = substr($0, 1, 8)
      if (oldest == "" || substr($0, 9) < oldest) oldest = substr($0, 9)
    }
    length == 16 && /^[0-9A-F]*[.]history$/ { history = $0 }
    END { print wal " " oldest " " history }')
  put wal.timeline "${w%% *}"
  put_wal_end "${w%% *}"
  w=${w#* }
  put wal.oldest "${w%% *}"
  h=${w#* }
  [ -n "$h" ] && regular "$DATA/pg_wal/$h" || return 0
  put wal.history
  printf '%s\n' "$h"
  head -c 65536 "$DATA/pg_wal/$h"
}

# manages PROC tells of a cluster manager whether it may manage this instance: an argument is the
# data directory, or a file that names it; or none of its files can be read.
manages() {
  tr '\0' '\n' <"$1/cmdline" 2>/dev/null | {
    other=''
    while IFS= read -r a; do
      [ "$a" != "$DATA" ] || exit 0
      case $a in *.yml | *.yaml | *.conf) regular "$a" || continue ;; *) continue ;; esac
      ! grep -qF -- "$DATA" "$a" || exit 0
      other=1
    done
    [ -z "$other" ]
  }
}

# put_managers answers the cluster managers that run here and may promote or stop the server.
put_managers() {
  m=''
  for c in /proc/[0-9]*/comm; do
    { read -r name <"$c"; } 2>/dev/null || continue
    case $name in patroni | repmgrd | pg_autoctl | stolon-keeper) ;; *) continue ;; esac
    case " $m " in *" $name "*) ;; *) ! manages "${c%/comm}" || m="$m $name" ;; esac
  done
  put managers "$m"
}

main() {
  choose
  data_state
  find_moved
  find_bin
  find_config
  check_files
  find_socket
  find_service
  find_port
  REPLTOOL=${HOME:-/var/tmp}/.repltool
  [ $LAYOUT != bare ] || REPLTOOL=${DATA%/*}/.repltool
  trusted "$REPLTOOL"
  read -r name </proc/sys/kernel/hostname || name=$(uname -n)
  put hostname "$name"
  boot=''
  [ ! -r /proc/sys/kernel/random/boot_id ] || read -r boot </proc/sys/kernel/random/boot_id
  put boot "$boot"
  put data.up "$DATA_UP"
  put layout $LAYOUT
  put instance "$INSTANCE"
  put version "$V"
  put bin "$BIN"
  put data "$DATA"
  put config "$CONF"
  put socket "$SOCK"
  put state_dir "$REPLTOOL"
  put data.state $STATE
  [ $STATE = cluster ] || [ "$CONF" = "$DATA" ] || { holds "$CONF" && put config.state $HELD; }
  put data.version "$PGV"
  if [ $STATE = cluster ]; then
    if [ ! -e "$DATA/postmaster.opts" ]; then
      if [ -e "$DATA/backup_label" ]; then put data.unstarted 1; else put data.initdb 1; fi
    fi
    [ ! -e "$DATA/backup_manifest" ] || put data.manifest 1
  fi
  put running $RUNNING
  put service.kind $KIND
  put service.unit "$UNIT"
  [ -z "$OUTSIDE" ] || put service.outside 1
  [ -z "$DISABLED" ] || put service.disabled 1
  [ -z "$START" ] || put service.start_conf "$START"
  put_managers
  put port "$PORT"
  put port_owner "$OWNER"
  [ ! -e "$DATA/standby.signal" ] || put standby_signal 1
  put_control
  put_timelines
  put_files
  put_earlier
  flags=''
  ! command -v lsattr >/dev/null || flags=$(lsattr -d -- "$CONF/postgresql.conf" "$HBA" 2>/dev/null)
  put_locked conf "$CONF/postgresql.conf"
  put_locked hba "$HBA"
  put logs
  for l in "$REPLTOOL"/*.log; do [ ! -e "$l" ] || printf '%s\n' "$l"; done
  put_jobs "$REPLTOOL"
  [ $RUNNING = 1 ] || put_auto_conf
  [ $LAYOUT != debian ] || [ -e "$CONF/postgresql.conf" ] || put_new_cluster
  extra
  put end
}
