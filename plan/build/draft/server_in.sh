# server_in DIR prints the process of the server that runs in that data directory; false if none does. After a crash of
# the host, the number in postmaster.pid may be that of another process, which works elsewhere.
server_in() {
  pid=$(head -n 1 "$1/postmaster.pid" 2>/dev/null) && pid=${pid#-} && kill -0 "$pid" 2>/dev/null || return 1
  ! at=$(readlink "/proc/$pid/cwd" 2>/dev/null) || [ "$at" -ef "$1" ] || return 1
  echo "$pid"
}
