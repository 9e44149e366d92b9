# What is repltool's own on the machine is used only where nobody else could have made or
# changed it. Part of discover.sh.

# trusted ends the search at a path under the state directory that is a symbolic link, is
# another user's, is no file or directory, or can be written by others.
trusted() {
  [ -e "$1" ] || [ -L "$1" ] || return 0
  for t in "$1" "$1"/* "$1"/jobs/* "$1"/jobs/*/* "$1"/locks/*; do
    if [ -L "$t" ]; then
      distrust "$t" 'is a symbolic link' "rm -- $t"
    elif [ ! -e "$t" ]; then
      continue
    elif [ ! -O "$t" ]; then
      distrust "$t" "is not owned by $W_USER" "mv -- $t $t.not-of-repltool"
    elif [ ! -f "$t" ] && [ ! -d "$t" ]; then
      distrust "$t" 'is neither a file nor a directory' "rm -- $t"
    fi
  done
  t=$(find "$1" -maxdepth 3 -perm /022 ! -type l -print -quit 2>/dev/null)
  [ -z "$t" ] || distrust "$t" 'can be written by other users' "chmod -R go-w -- $1"
}

distrust() {
  fail data "$1 $2: only $W_USER may have access to what repltool keeps there (locks, job records, password files)" \
    "Find out who created it. Then, as root on that host:
  $3"
}

# put_locked NAME PATH tells why a managed file cannot be replaced.
put_locked() {
  [ -e "$2" ] || return 0
  l=$2
  [ ! -L "$2" ] || l=$(readlink -f -- "$2")
  d=${l%/*}
  if [ ! -f "$l" ]; then
    put "$1.locked" "$l is not a regular file"
  elif [ ! -O "$l" ]; then
    put "$1.locked" "$l is not owned by $W_USER; as root: chown $W_USER $l"
  elif [ ! -w "${d:-/}" ]; then
    put "$1.locked" "$W_USER cannot write the directory ${d:-/}; as root: chown $W_USER ${d:-/}"
  elif command -v lsattr >/dev/null; then
    a=$(lsattr -d -- "$l" 2>/dev/null)
    case ${a%% *} in *[ia]*) put "$1.locked" "$l is immutable; as root: chattr -i -a $l" ;; esac
  fi
}
