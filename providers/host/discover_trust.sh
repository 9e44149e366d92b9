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

# put_locked NAME PATH tells why a managed file cannot be replaced. flags is what lsattr says of
# both; of a link's target it is asked here.
put_locked() {
  [ -e "$2" ] || return 0
  l=$2 a=$flags
  [ ! -L "$2" ] || { l=$(readlink -f -- "$2") && a=$(lsattr -d -- "$l" 2>/dev/null); }
  d=${l%/*}
  if [ ! -f "$l" ]; then
    put "$1.locked" "$l is not a regular file"
  elif [ ! -O "$l" ]; then
    put "$1.locked" "$l is not owned by $W_USER; as root: chown $W_USER $l"
  elif [ ! -w "${d:-/}" ]; then
    put "$1.locked" "$W_USER cannot write the directory ${d:-/}; as root: chown $W_USER ${d:-/}"
  elif immutable "$l" "$a"; then
    put "$1.locked" "$l is immutable; as root: chattr -i -a $l"
  fi
}

# immutable PATH FLAGS tells whether lsattr says that of the path.
immutable() {
  while read -r marks of; do
    [ "$of" != "$1" ] || case $marks in *[ia]*) return 0 ;; esac
  done <<EOF
$2
EOF
  return 1
}
