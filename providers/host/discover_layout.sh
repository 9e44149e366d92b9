# Chooses the PostgreSQL instance that a node means, among Debian's, the RPM packages'
# and a bare data directory. Part of discover.sh.
#
# A port does not say whose an instance is: it may change. In this order:
#   1. data_dir: a person's word;
#   2. the instance whose postgresql.conf has the managed block of the node's cluster,
#      whatever its port; of several, the one on the node's port;
#   3. the instance on the node's port;
#   4. the only one of the wanted version that no other node of the topology has.
# A new one is made only where none of these is there. Anything else is an error that
# names what is there: a second, empty server never comes of a doubt.

# AWK_VALUE is the value of a line of postgresql.conf.
AWK_VALUE='function value(s,  v, c, i) {
  sub(/^[ \t]*[A-Za-z_]+[ \t]*=?[ \t]*/, "", s)
  if (substr(s, 1, 1) != "\047") { sub(/[ \t\r#].*$/, "", s); return s }
  for (i = 2; i <= length(s); i++) {
    c = substr(s, i, 1)
    if (c == "\047") { if (substr(s, i + 1, 1) != "\047") break; i++ }
    v = v c
  }
  return v
}'

# settings FILE… answers, for each directory of files: directory, port, data
# directory, hba_file and socket directories, as the last line that sets them says, and
# whose managed block is in there: ours, or theirs, of another cluster.
settings() {
  W_MARK=$W_MARK awk '
  '"$AWK_VALUE"'
  FNR == 1 {
    dir = FILENAME
    sub(/\/(conf\.d\/)?[^\/]*$/, "", dir)
    if (!(dir in seen)) { seen[dir] = 1; order[++n] = dir }
  }
  /^# repltool .*: begin\r?$/ {
    sub(/\r$/, "")
    if (index("\n" ENVIRON["W_MARK"] "\n", "\n" $0 "\n")) got[dir, "mark"] = "ours"
    else if (got[dir, "mark"] == "") got[dir, "mark"] = "theirs"
  }
  { key = tolower($0); sub(/^[ \t]*/, "", key); sub(/[^a-z_].*$/, "", key) }
  key == "port" || key == "data_directory" || key == "hba_file" || key == "unix_socket_directories" { got[dir, key] = value($0) }
  END {
    for (i = 1; i <= n; i++) {
      d = order[i]
      port = got[d, "port"]
      print d "\t" (port == "" ? 5432 : port) "\t-" got[d, "data_directory"] "\t-" got[d, "hba_file"] "\t-" got[d, "unix_socket_directories"] "\t-" got[d, "mark"]
    }
  }' "$@" 2>/dev/null
}

# instances answers the clusters in Debian's and the RPM packages' places, in the form
# of settings.
instances() {
  set --
  for c in /etc/postgresql/*/*/postgresql.conf /var/lib/pgsql/*/*/postgresql.conf /var/lib/pgsql/data/postgresql.conf; do
    regular "$c" || continue
    set -- "$@" "$c"
    for x in "${c%/*}"/conf.d/*.conf; do regular "$x" && set -- "$@" "$x"; done
  done
  [ $# -eq 0 ] || settings "$@"
}

is_debian() {
  [ -x /usr/bin/pg_createcluster ] || return 1
  for b in /usr/lib/postgresql/*/bin/postgres; do [ -x "$b" ] && return 0; done
  return 1
}

# servers answers the data directory and the port of every server that runs here: the
# lock beside its socket has both (miscadmin.h).
servers() {
  awk '$NF ~ /\/\.s\.PGSQL\.[0-9]+$/ && !seen[$NF]++ { print $NF }' /proc/net/unix 2>/dev/null | while read -r s; do
    regular "$s.lock" || continue
    { read -r pid && read -r d && read -r _ && read -r p; } <"$s.lock"
    number "$pid" && kill -0 "$pid" 2>/dev/null && printf '%s\t%s\n' "$d" "$p"
  done
}

# instance completes a line of settings: data, v, label, run, and the port in force.
instance() {
  data=${data#-} hba=${hba#-} sock=${sock#-} mark=${mark#-} v=''
  case $dir in
    '') return 1 ;;
    /etc/postgresql/*)
      v=${dir%/*}
      v=${v##*/}
      label=$v/${dir##*/}
      data=${data:-/var/lib/postgresql/$label}
      ;;
    *)
      data=$dir label=$dir
      regular "$dir/PG_VERSION" && read -r v <"$dir/PG_VERSION" || return 1
      ;;
  esac
  run=0
  pidfile "$data" && run=1 port=${p_port:-$port}
  return 0
}

# take makes the instance the choice.
take() {
  LAYOUT=rpm CONF='' INSTANCE='' V=$v DATA=$data HBA=$hba SOCK=$sock PORT=$port
  case $dir in /etc/postgresql/*) LAYOUT=debian CONF=$dir INSTANCE=${dir##*/} ;; esac
}

# claimed WHOM tells whether another node of the topology on this machine has the
# instance: by its data_dir (data), or as well by the port of one of the same cluster
# (sibling) or of any.
claimed() {
  while IFS=$tab read -r whose theirs their_data; do
    their_data=${their_data#-}
    [ -n "$whose" ] || continue
    if [ -n "$their_data" ]; then
      [ "$data" != "$their_data" ] && ! [ "$data" -ef "$their_data" ] || return 0
    elif [ "$1" = any ] || [ "$1" = "$whose" ]; then
      [ "$theirs" != "$port" ] || [ "$theirs" = "$W_PORT" ] || return 0
    fi
  done <<EOF
$W_OTHERS
EOF
  return 1
}

# lacking WHOM tells whether such a node has no instance on its port: then it is unknown
# which of the two an instance is.
lacking() {
  while IFS=$tab read -r whose theirs their_data; do
    [ -n "$whose" ] && [ "$their_data" = - ] || continue
    [ "$1" = any ] || [ "$1" = "$whose" ] || continue
    case $PORTS in *" $theirs "*) ;; *) return 0 ;; esac
  done <<EOF
$W_OTHERS
EOF
  return 1
}

# fits WHICH tells whether the instance is one of those.
fits() {
  case $1 in
    marked_port) [ "$mark" = ours ] && [ "$port" = "$W_PORT" ] && ! claimed data ;;
    marked) [ "$mark" = ours ] && [ "$data" != "$W_DATA" ] && [ -e "$data/PG_VERSION" ] && ! claimed sibling ;;
    port) [ "$port" = "$W_PORT" ] && ! claimed data ;;
    rest) ! claimed any ;;
  esac
}

# pick WHICH VERSION takes, of those, one that runs before one that does not, then the
# newest. FOUND and RUNS count them, FOREIGN those with another cluster's block.
pick() {
  FOUND=0 RUNS=0 FOREIGN=0 THOSE='' PORTS=' ' best_v=0 best_run=0
  while IFS=$tab read -r dir port data hba sock mark; do
    instance || continue
    PORTS="$PORTS$port "
    [ -z "$2" ] || [ "$v" = "$2" ] || continue
    fits "$1" || continue
    FOUND=$((FOUND + 1)) RUNS=$((RUNS + run)) THOSE="$THOSE, $label on port $port in $data"
    [ "$mark" != theirs ] || FOREIGN=$((FOREIGN + 1))
    [ "$best_v" = 0 ] || [ $run -gt $best_run ] || { [ $run = $best_run ] && number "$v" && [ "$v" -gt "$best_v" ]; } || continue
    take
    best_run=$run best_v=$v
  done <<EOF
$INSTANCES
EOF
  THOSE=${THOSE#, }
  [ $FOUND != 0 ]
}

# find_instance chooses without data_dir. What is on the node's port and has another
# version than the wanted one is the node's all the same: what is wrong is its version.
find_instance() {
  pick marked_port "$W_VERSION" || pick marked_port '' && return
  if pick marked ''; then
    { [ $FOUND = 1 ] || [ $RUNS = 1 ]; } && ! lacking sibling && return
    unclear 'clusters with the managed block of this cluster'
  fi
  pick port "$W_VERSION" || pick port '' && return
  pick rest "$W_VERSION" || return 1
  [ $FOUND = 1 ] && [ $FOREIGN = 0 ] && ! lacking any && return
  unclear 'clusters found'
}

# unclear says that it is unknown which instance is meant.
unclear() {
  fail data "no PostgreSQL cluster on this host uses port $W_PORT; $1: $THOSE" \
    "Set port or data_dir of the node to those of the right cluster. For a new, additional cluster set data_dir to a new directory."
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
    fail data "cluster $V/${INSTANCE:-main} exists, but it cannot be read, belongs to another node, or does not use port $W_PORT" "Set port of the node to that of the right cluster. For a new cluster set data_dir to /var/lib/postgresql/$V/NAME."
  DATA=/var/lib/postgresql/$V/$INSTANCE CONF=/etc/postgresql/$V/$INSTANCE HBA='' SOCK=''
}

# rpm_new does the same in /var/lib/pgsql.
rpm_new() {
  LAYOUT=rpm V=$W_VERSION
  [ -n "$V" ] || { newest /usr/pgsql-*/bin/postgres; V=$best; }
  if [ -z "$V" ]; then # the distribution's own package
    DATA=/var/lib/pgsql/data
  else
    DATA=/var/lib/pgsql/$V/data
  fi
  [ -z "$W_TAKEN" ] && [ ! -e "$DATA/PG_VERSION" ] || [ -z "$W_NAME" ] || DATA=${DATA%/*}/$W_NAME
  [ ! -e "$DATA/PG_VERSION" ] ||
    fail data "$DATA contains a cluster, but it cannot be read, belongs to another node, or does not use port $W_PORT" "Set port of the node to that of the right cluster. For a new cluster set data_dir."
}

# by_data chooses what data_dir is.
by_data() {
  LAYOUT=bare DATA=$W_DATA
  while IFS=$tab read -r dir port data hba sock mark; do
    instance || continue
    [ "$data" = "$DATA" ] || [ "$data" -ef "$DATA" ] || continue
    data=$DATA
    take
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

# elsewhere refuses a data_dir without a cluster while the cluster's own instance is in
# another place: in one of the packages', or where a server runs.
elsewhere() {
  INSTANCES="$INSTANCES
$(servers | while IFS=$tab read -r d _; do settings "$d/postgresql.conf"; done)"
  those=$(pick marked '' && ! lacking sibling && printf '%s' "$THOSE") || return 0
  fail data "data_dir is $W_DATA, which contains no cluster, and the managed block of this cluster is in another one: $those" \
    "Set data_dir to that data directory. To move a data directory, stop its server, move it by hand, then set data_dir. For a new, additional cluster, first remove the block from the postgresql.conf of the other one."
}

# find_moved finds a server that runs with the instance's files and another data
# directory than they say: data_directory was changed since it started.
find_moved() {
  [ $RUNNING = 0 ] && [ -n "$CONF" ] && [ -e "$CONF/postgresql.conf" ] || return 0
  while IFS=$tab read -r d p; do
    [ -n "$d" ] && grep -qsF -e "config_file=$CONF/postgresql.conf" "$d/postmaster.opts" || continue
    DATA=$d
    data_state
    return
  done <<EOF
$(servers)
EOF
}

# choose finds the instance that the node means.
choose() {
  LAYOUT='' INSTANCE='' PORT='' V='' BIN='' DATA='' CONF='' HBA='' SOCK='' PGV=''
  INSTANCES=$(instances)
  if [ -n "$W_DATA" ]; then
    by_data
    [ -e "$DATA/PG_VERSION" ] || elsewhere
  elif is_debian; then
    find_instance || debian_new
  elif [ -d /var/lib/pgsql ]; then
    find_instance || rpm_new
  elif [ -n "$(installed)" ] || [ -n "$W_BIN" ]; then
    fail data "the data directory is unknown: this host has neither the layout of Debian nor that of the RPM packages" "Set data_dir."
  else
    no_binaries "$W_VERSION"
  fi
}

