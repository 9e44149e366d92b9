# Finds everything of facts.Host as the OS user, in one go. POSIX sh; set before it:
# B, the boundary of the answer's fields, W_…, what the topology says ("" for what
# is to be found), and params, which asks the server's binary about parameters.

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

number() { case $1 in '' | *[!0-9]*) return 1 ;; esac; }

# settings FILE… answers, for each directory of files: directory, port, data
# directory, hba_file and socket directories, as the last line that sets them says.
settings() {
  awk '
  function value(s,  v, c, i) {
    sub(/^[ \t]*[A-Za-z_]+[ \t]*=?[ \t]*/, "", s)
    if (substr(s, 1, 1) != "\047") { sub(/[ \t\r#].*$/, "", s); return s }
    for (i = 2; i <= length(s); i++) {
      c = substr(s, i, 1)
      if (c == "\047") { if (substr(s, i + 1, 1) != "\047") break; i++ }
      v = v c
    }
    return v
  }
  FNR == 1 {
    dir = FILENAME
    sub(/\/(conf\.d\/)?[^\/]*$/, "", dir)
    if (!(dir in seen)) { seen[dir] = 1; order[++n] = dir }
  }
  { key = tolower($0); sub(/^[ \t]*/, "", key); sub(/[^a-z_].*$/, "", key) }
  key == "port" || key == "data_directory" || key == "hba_file" || key == "unix_socket_directories" { got[dir, key] = value($0) }
  END {
    for (i = 1; i <= n; i++) {
      d = order[i]
      port = got[d, "port"]
      print d "\t" (port == "" ? 5432 : port) "\t-" got[d, "data_directory"] "\t-" got[d, "hba_file"] "\t-" got[d, "unix_socket_directories"]
    }
  }' "$@" 2>/dev/null
}

# instances answers Debian's clusters in the form of settings.
instances() {
  set --
  for c in /etc/postgresql/*/*/postgresql.conf; do
    [ -r "$c" ] || continue
    set -- "$@" "$c"
    for x in "${c%/*}"/conf.d/*.conf; do [ -r "$x" ] && set -- "$@" "$x"; done
  done
  [ $# -eq 0 ] || settings "$@"
}

# pidfile DIR reads DIR/postmaster.pid; true when that server runs.
pidfile() {
  p_pid='' p_port='' p_sock=''
  [ -r "$1/postmaster.pid" ] || return 1
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
    "Install PostgreSQL$v there, or set bin_dir."
}

is_debian() {
  [ -x /usr/bin/pg_createcluster ] || return 1
  for b in /usr/lib/postgresql/*/bin/postgres; do [ -x "$b" ] && return 0; done
  return 1
}

# take makes a line of settings the choice.
take() {
  LAYOUT=debian CONF=$1 DATA=$2 HBA=$3 SOCK=$4
  INSTANCE=${CONF##*/}
  V=${CONF%/*}
  V=${V##*/}
}

# debian_new chooses the instance that would be made.
debian_new() {
  LAYOUT=debian V=$W_VERSION
  [ -n "$V" ] || { newest /usr/lib/postgresql/*/bin/postgres && V=$best; }
  V=${V:-$best}
  [ -n "$V" ] && [ -x "/usr/lib/postgresql/$V/bin/postgres" ] || no_binaries "$V"
  INSTANCE=main
  [ ! -e "/etc/postgresql/$V/main" ] || INSTANCE=$W_NAME
  [ -n "$INSTANCE" ] && [ ! -e "/etc/postgresql/$V/$INSTANCE" ] ||
    fail data "the clusters $V/main and $V/$W_NAME are there and neither has port $W_PORT" "Set the node's port to that of the cluster that is meant, or data_dir for a new one."
  DATA=/var/lib/postgresql/$V/$INSTANCE CONF=/etc/postgresql/$V/$INSTANCE
}

# debian_find chooses the instance with the node's port: one that runs before one
# that does not, then the newest.
debian_find() {
  found_run=0 found_v=0
  while IFS=$tab read -r dir port data hba sock; do
    [ -n "$dir" ] || continue
    v=${dir%/*}
    v=${v##*/}
    data=${data#-}
    data=${data:-/var/lib/postgresql/$v/${dir##*/}}
    run=0
    pidfile "$data" && run=1 port=${p_port:-$port}
    [ "${port:-5432}" = "$W_PORT" ] || continue
    [ -z "$W_VERSION" ] || [ "$v" = "$W_VERSION" ] || continue
    [ "$found_v" = 0 ] || [ $run -gt $found_run ] || { [ $run = $found_run ] && number "$v" && [ "$v" -gt "$found_v" ]; } || continue
    take "$dir" "$data" "${hba#-}" "${sock#-}"
    found_run=$run found_v=$v
  done <<EOF
$INSTANCES
EOF
  [ "$found_v" != 0 ] || debian_new
}

# rpm_find chooses like debian_find, among /var/lib/pgsql/V/*.
rpm_find() {
  LAYOUT=rpm
  for c in /var/lib/pgsql/*/*/postgresql.conf /var/lib/pgsql/data/postgresql.conf; do
    [ -r "$c" ] || continue
    dir=${c%/*} v=''
    read -r v <"$dir/PG_VERSION" || continue
    [ -z "$W_VERSION" ] || [ "$v" = "$W_VERSION" ] || continue
    IFS=$tab read -r _ port _ <<EOF
$(settings "$c")
EOF
    pidfile "$dir" && port=${p_port:-$port}
    [ "${port:-5432}" = "$W_PORT" ] || continue
    V=$v DATA=$dir
    return
  done
  V=$W_VERSION
  [ -n "$V" ] || { newest /usr/pgsql-*/bin/postgres; V=$best; }
  if [ -z "$V" ]; then # the distribution's own package
    DATA=/var/lib/pgsql/data
  else
    DATA=/var/lib/pgsql/$V/data
  fi
  [ ! -e "$DATA/PG_VERSION" ] || [ -z "$W_NAME" ] || DATA=${DATA%/*}/$W_NAME
  [ ! -e "$DATA/PG_VERSION" ] || fail data "$DATA is a cluster with another port than $W_PORT" "Set the node's port to that of the cluster, or data_dir for a new one."
}

# by_data chooses what data_dir is.
by_data() {
  LAYOUT=bare DATA=$W_DATA
  while IFS=$tab read -r dir port data hba sock; do
    data=${data#-}
    [ -n "$dir" ] || continue
    v=${dir%/*}
    data=${data:-/var/lib/postgresql/${v##*/}/${dir##*/}}
    [ "$data" = "$DATA" ] || [ "$data" -ef "$DATA" ] || continue
    take "$dir" "$DATA" "${hba#-}" "${sock#-}"
    return
  done <<EOF
$INSTANCES
EOF
  case $DATA in
    /var/lib/postgresql/*/*/*) ;;
    /var/lib/postgresql/[0-9]*/*) # where pg_createcluster would put it
      v=${DATA%/*}
      v=${v##*/}
      [ ! -e "$DATA/postgresql.conf" ] && [ -x /usr/bin/pg_createcluster ] && [ -x "/usr/lib/postgresql/$v/bin/postgres" ] || return 0
      [ -z "$W_VERSION" ] || [ "$W_VERSION" = "$v" ] || return 0
      LAYOUT=debian V=$v INSTANCE=${DATA##*/} CONF=/etc/postgresql/$v/${DATA##*/}
      ;;
    /var/lib/pgsql/[0-9]*/data | /var/lib/pgsql/data) LAYOUT=rpm ;;
  esac
}

# choose finds the instance that the node means.
choose() {
  LAYOUT='' INSTANCE='' V='' BIN='' DATA='' CONF='' HBA='' SOCK='' PGV=''
  INSTANCES=$(instances)
  if [ -n "$W_DATA" ]; then
    by_data
  elif is_debian; then
    debian_find
  elif [ -d /var/lib/pgsql ]; then
    rpm_find
  elif [ -n "$(installed)" ] || [ -n "$W_BIN" ]; then
    fail data "no data directory is known: this machine has neither Debian's nor the RPM layout" "Set data_dir."
  else
    no_binaries "$W_VERSION"
  fi
}

# look tells whether a path can be looked at; up is its nearest ancestor.
look() {
  up=$1
  while [ ! -e "$up" ] && [ ! -L "$up" ]; do
    up=${up%/*}
    up=${up:-/}
  done
  [ "$up" = "$1" ] || [ -x "$up" ] || [ ! -d "$up" ] || fail privilege "$up cannot be looked into as $W_USER, so that it is not known whether $1 is there" "Let $W_USER into $up, or set os_user to its owner."
}

# data_state tells what the data directory holds.
data_state() {
  look "$DATA"
  STATE=absent
  if [ -d "$DATA" ]; then
    STATE=empty
    for f in "$DATA"/* "$DATA"/.[!.]* "$DATA"/..?*; do
      [ ! -e "$f" ] && [ ! -L "$f" ] || { STATE=foreign && break; }
    done
    [ -r "$DATA" ] && [ -x "$DATA" ] || STATE=foreign
    [ -r "$DATA/PG_VERSION" ] && read -r PGV <"$DATA/PG_VERSION" && [ -e "$DATA/global/pg_control" ] && STATE=cluster
  elif [ -e "$DATA" ] || [ -L "$DATA" ]; then
    STATE=foreign
  fi
  RUNNING=0
  pidfile "$DATA" && RUNNING=1
}

# find_bin finds the binaries: those that run, of the version wanted, of the data
# directory's, the newest.
find_bin() {
  if [ -n "$W_BIN" ]; then
    BIN=$W_BIN
    [ -x "$BIN/postgres" ] || fail binaries "there is no postgres in bin_dir $BIN" "Correct bin_dir, or take it out: binaries are found without it."
    V=''
  elif [ $RUNNING = 1 ] && b=$(readlink "/proc/$p_pid/exe") && [ -x "$b" ]; then
    BIN=${b%/*} V=''
  else
    bin_of "${V:-${W_VERSION:-$PGV}}"
  fi
  known_version
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
    [ -z "$c" ] || [ ! -r "$c/postgresql.conf" ] || CONF=$c
  fi
  if [ $LAYOUT != debian ] || [ -n "$W_CONF" ]; then
    set --
    for f in "$CONF/postgresql.conf" "$CONF"/conf.d/*.conf; do [ -r "$f" ] && set -- "$@" "$f"; done
    [ $# -eq 0 ] || IFS=$tab read -r _ _ _ HBA SOCK <<EOF
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
      *) SOCK=$("$BIN/postgres" -C unix_socket_directories -c config_file=/dev/null -c data_directory=/ 2>/dev/null) SOCK=${SOCK%%,*} SOCK=${SOCK:-/tmp} ;;
    esac
  fi
}

find_service() {
  KIND=pg_ctl UNIT=$W_SERVICE
  [ $LAYOUT != debian ] || KIND=pg_ctlcluster
  if [ -d /run/systemd/system ]; then
    [ -n "$UNIT" ] || case $LAYOUT:$DATA in
      debian:*) UNIT=postgresql@$V-$INSTANCE ;;
      rpm:/var/lib/pgsql/data) UNIT=postgresql ;;
      "rpm:/var/lib/pgsql/$V/data") UNIT=postgresql-$V ;;
    esac
    [ -z "$UNIT" ] || KIND=systemd
  fi
  [ $KIND = systemd ] || UNIT=''
}

# find_port tells who else listens on the port.
find_port() {
  OWNER=''
  [ $RUNNING = 0 ] || [ "$p_port" != "$W_PORT" ] || return 0
  hex=$(printf ':%04X' "$W_PORT")
  uid=$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v p="$hex" '$4 == "0A" && substr($2, length($2) - 4) == p { print $8; exit }')
  [ -n "$uid" ] || return 0
  u=$(id -un "$uid" 2>/dev/null) && OWNER="a program of $u" || OWNER="a program of uid $uid"
  while IFS=$tab read -r dir port data _; do
    [ -n "$dir" ] || continue
    v=${dir%/*}
    v=${v##*/}
    data=${data#-}
    pidfile "${data:-/var/lib/postgresql/$v/${dir##*/}}" && [ "$p_port" = "$W_PORT" ] && OWNER="PostgreSQL $v/${dir##*/}"
  done <<EOF
$INSTANCES
EOF
}

# put_file NAME PATH puts a file's text, where it is there.
put_file() {
  put "$1.path" "$2"
  [ -e "$2" ] || return 0
  [ -r "$2" ] || fail privilege "$2 cannot be read as $W_USER" "Let $W_USER read it."
  put "$1.stat"
  stat -L -c '%a %.9Y %U' -- "$2"
  put "$1.text"
  cat -- "$2"
}

# put_jobs puts what detached commands are known.
put_jobs() {
  for j in "$1"/jobs/*/; do
    [ -r "${j}argv" ] || continue
    id=${j%/}
    id=${id##*/}
    running=0
    [ ! -e "${j}lock" ] || flock -n -s "${j}lock" true || running=1
    put "job.$id.running" $running
    put "job.$id.argv"
    cat "${j}argv"
    [ ! -r "${j}status" ] || { put "job.$id.status" && cat "${j}status"; }
  done
}

put_disks() {
  for d in "$DATA" "$DATA/pg_wal" "$@"; do
    case $d in
      "$DATA/pg_wal") [ -L "$d" ] && d=$(readlink -f "$d") || continue ;;
    esac
    look "$d"
    put disk "$up"
    printf '\n'
    df -P -k -- "$up"
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
  put control
  "$b/pg_controldata" "$DATA" 2>&1
}

main() {
  choose
  data_state
  find_bin
  find_config
  find_socket
  find_service
  find_port
  REPLTOOL=${HOME:-/var/tmp}/.repltool
  [ $LAYOUT != bare ] || REPLTOOL=${DATA%/*}/.repltool
  read -r name </proc/sys/kernel/hostname || name=$(uname -n)
  put hostname "$name"
  put layout $LAYOUT
  put instance "$INSTANCE"
  put version "$V"
  put bin "$BIN"
  put data "$DATA"
  put config "$CONF"
  put socket "$SOCK"
  put state_dir "$REPLTOOL"
  put data.state $STATE
  put data.version "$PGV"
  [ $STATE = absent ] || { put data.owner && stat -L -c %U -- "$DATA" 2>/dev/null; }
  put running $RUNNING
  put service.kind $KIND
  put service.unit "$UNIT"
  put port_owner "$OWNER"
  [ ! -e "$DATA/standby.signal" ] || put standby_signal 1
  [ ! -e "$DATA.repltool-old" ] || put aside 1
  put_control
  put_file conf "$CONF/postgresql.conf"
  put_file hba "$HBA"
  put_file pass "$REPLTOOL/$W_NODE.pass"
  put_jobs "$REPLTOOL"
  extra
  put end
}
