exec 3<&0 </dev/null
{ read -r _ <&3 && kill -TERM 0; } >/dev/null 2>&1 &
w=$!
"$@" 3<&-
s=$?
kill $w 2>/dev/null
exit $s
