# Writes stdin to the file $1: beside, checked against the size $3, then renamed.
# A file that is there keeps its owner and mode; a new one gets mode $2.
set -e
umask 077
t=$1
[ -L "$t" ] && t=$(readlink -f -- "$t")
d=${t%/*}
n=$(mktemp "${d:-/}/.${t##*/}.repltool-XXXXXX")
trap 'rm -f -- "$n"' EXIT
cat >"$n"
[ "$(wc -c <"$n")" -eq "$3" ] || { echo 'the content did not arrive whole' >&2; exit 1; }
m=$2
if [ -e "$t" ]; then
  m=$(stat -c %a -- "$t")
  o=$(stat -c %u:%g -- "$t")
  [ "$o" = "$(stat -c %u:%g -- "$n")" ] || chown "$o" -- "$n"
fi
chmod "$m" -- "$n"
sync -- "$n" 2>/dev/null || sync
mv -f -- "$n" "$t"
trap - EXIT
sync -- "${d:-/}" 2>/dev/null || :
