# Chooses the PostgreSQL instance that a node means, among Debian's, the RPM packages'
# and a bare data directory. Part of discover.sh.

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

# configured tells whether an instance has its files. A directory without them is one
# in the making, or what a dead pg_createcluster left.
configured() {
  [ -e "$1" ] && { [ ! -x "$1" ] || [ -e "$1/postgresql.conf" ]; }
}

# debian_new chooses the instance that would be made.
debian_new() {
  LAYOUT=debian V=$W_VERSION
  [ -n "$V" ] || { newest /usr/lib/postgresql/*/bin/postgres && V=$best; }
  V=${V:-$best}
  [ -n "$V" ] && [ -x "/usr/lib/postgresql/$V/bin/postgres" ] || no_binaries "$V"
  INSTANCE=main
  [ -z "$W_TAKEN" ] && ! configured "/etc/postgresql/$V/main" || INSTANCE=$W_NAME
  [ -n "$INSTANCE" ] && ! configured "/etc/postgresql/$V/$INSTANCE" ||
    fail data "the clusters $V/main and $V/$W_NAME are there and neither has port $W_PORT" "Set the node's port to that of the cluster that is meant, or data_dir for a new one."
  DATA=/var/lib/postgresql/$V/$INSTANCE CONF=/etc/postgresql/$V/$INSTANCE HBA='' SOCK=''
}

# debian_find chooses the instance with the node's port: one that runs before one
# that does not, then the newest. Where none has the wanted version and another runs on
# that port it is that one: what is wrong is its version.
debian_find() {
  debian_port "$W_VERSION" || { [ -n "$W_VERSION" ] && debian_port '' && pidfile "$DATA"; } || debian_new
}

# debian_port VERSION looks through the instances.
debian_port() {
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
    [ -z "$1" ] || [ "$v" = "$1" ] || continue
    [ "$found_v" = 0 ] || [ $run -gt $found_run ] || { [ $run = $found_run ] && number "$v" && [ "$v" -gt "$found_v" ]; } || continue
    take "$dir" "$data" "${hba#-}" "${sock#-}"
    found_run=$run found_v=$v
  done <<EOF
$INSTANCES
EOF
  [ "$found_v" != 0 ]
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
  [ -z "$W_TAKEN" ] && [ ! -e "$DATA/PG_VERSION" ] || [ -z "$W_NAME" ] || DATA=${DATA%/*}/$W_NAME
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

