package plan

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/repltool/repltool/providers/conninfo"
	"github.com/repltool/repltool/topology"
)

// A connection string, of a standby to its upstream or of a subscription to its
// publisher, is a map here: what is "" is not said.

// connKeys is the order in which a conninfo is written.
func connKeys() []string {
	return []string{
		"service", "host", "port", "dbname", "user", "passfile", "application_name",
		"sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout",
	}
}

func formatConnInfo(c map[string]string) string {
	var pairs []conninfo.Pair
	for _, key := range connKeys() {
		if c[key] != "" {
			pairs = append(pairs, conninfo.Pair{Key: key, Value: c[key]})
		}
	}
	return conninfo.Format(pairs)
}

// connTo answers how to connect to a node of a cluster: no password, it is in the passfile.
func connTo(n *topology.Node, user string, r topology.Replication) map[string]string {
	return map[string]string{
		"host": n.Address, "port": strconv.Itoa(n.Port), "user": user,
		"sslmode": r.SSLMode, "sslrootcert": r.SSLRootCert, "sslcert": r.SSLCert, "sslkey": r.SSLKey,
	}
}

// connDiff answers those of the keys in which two differ. What libpq would fill in
// anyway is no difference.
func connDiff(now, wanted map[string]string, keys []string) []string {
	defaults := map[string]string{"port": "5432", "sslmode": "prefer"}
	return slices.DeleteFunc(keys, func(key string) bool {
		return cmp.Or(now[key], defaults[key]) == cmp.Or(wanted[key], defaults[key])
	})
}

func portOf(conn map[string]string) int {
	port, err := strconv.Atoi(cmp.Or(conn["port"], "5432"))
	if err != nil {
		return 0
	}
	return port
}

// optional answers what is said, or nil.
func optional(conn map[string]string, key string) *string {
	if v, ok := conn[key]; ok && v != "" {
		return &v
	}
	return nil
}
