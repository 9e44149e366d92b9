# Runs the statements $3 in the background, by the program $1 over the connection $2.
setsid "$1" -X -w -q -c "$3" "$2" </dev/null >/dev/null 2>&1 &
