# Answers what runs on a machine, before a node of it is known. Its functions are those of
# discover.sh and discover_layout.sh; B is the boundary of the answer's fields.

# put_addresses answers the machine's own addresses as the kernel writes them: IPv6 in 32
# hexadecimal digits.
put_addresses() {
  put addresses
  awk '/\|--/ { a = $2 } /32 host LOCAL/ && !seen[a]++ { print a }' /proc/net/fib_trie 2>/dev/null
  awk '{ print $1 }' /proc/net/if_inet6 2>/dev/null
}

# put_programs answers those that run here and may decide which server is the primary.
put_programs() {
  put programs
  for c in /proc/[0-9]*/comm; do
    { read -r name <"$c"; } 2>/dev/null || continue
    case $name in patroni | repmgrd | pg_autoctl | stolon-keeper | pacemakerd | pgpool) printf '%s\n' "$name" ;; esac
  done | sort -u
}

# survey NAME… answers all of it, and what the names resolve to.
survey() {
  put_addresses
  put servers
  servers
  put_programs
  put resolved
  [ $# -eq 0 ] || resolve "$@"
  put end
}
