# Renames the data directory $1, after the directories that follow as pairs of its link and its path, to NAME.repltool-old, and has
# the links follow them, so that the old standby still is one. While a server runs there nothing is moved: what it would
# write goes with the old directory.
data=$1
shift
! pid=$(server_in "$data") || { echo "a server was started in $data meanwhile (process $pid). Plan again" >&2; exit 1; }
while [ $# -gt 0 ]; do
  mv --no-target-directory -- "$2" "$2.repltool-old" && ln --symbolic --force --no-dereference -- "$2.repltool-old" "$data/$1" || exit
  shift 2
done
mv --no-target-directory -- "$data" "$data.repltool-old"
