package pg

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg/conninfo"
)

// A connection string, of a standby to its upstream or of a subscription to its
// publisher, is a map here: what is "" is not said.

// ConnKeys is the order in which a conninfo is written.
func ConnKeys() []string {
	return []string{
		"service", "host", "port", "dbname", "user", "passfile", "application_name",
		"sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout",
	}
}

func FormatConnInfo(c map[string]string) string {
	var pairs []conninfo.Pair
	keys := ConnKeys()
	for _, key := range append(keys, list.Without(list.SortedKeys(c), keys)...) {
		if c[key] != "" {
			pairs = append(pairs, conninfo.Pair{Key: key, Value: c[key]})
		}
	}
	return conninfo.Format(pairs)
}

// KeepRest returns wanted with what a connection string has beside it: a parameter that
// the topology does not speak of stays as it is. Those of said are the topology's also
// where it leaves them empty.
func KeepRest(now, wanted map[string]string, said []string) map[string]string {
	all := maps.Clone(wanted)
	for key, value := range now {
		if wanted[key] == "" && !slices.Contains(said, key) && !slices.Contains(secretKeys(), key) {
			all[key] = value
		}
	}
	return all
}

// KeepHosts leaves the hosts of a connection string as they are, where one of them is the
// wanted one.
func KeepHosts(now, wanted map[string]string) {
	if namesHost(now, wanted) {
		wanted["host"], wanted["hostaddr"], wanted["port"] = now["host"], now["hostaddr"], now["port"]
	}
}

// Keepalives adds TCP keepalives to a connection string that does not speak of them. A WAL
// receiver or a subscription's worker that has connected waits for the first answer without
// a limit: wal_receiver_timeout counts once WAL is streamed, and connect_timeout is not for
// them. Where the server has vanished meanwhile, only keepalives end the wait, by Linux's
// defaults after two hours (PostgreSQL docs, 34.1.2). The three are a minute, as
// wal_receiver_timeout is by default. What a service says about them is not known here.
func Keepalives(conn map[string]string) {
	said := func(key string) bool { return conn[key] != "" }
	if slices.ContainsFunc([]string{"service", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"}, said) {
		return
	}
	conn["keepalives_idle"], conn["keepalives_interval"], conn["keepalives_count"] = "30", "10", "3"
}

// AlwaysSaid are the parameters that every topology speaks of.
func AlwaysSaid() []string { return []string{"host", "hostaddr", "port", "password", "passfile"} }

// secretKeys are parameters that hold secrets and that a plan therefore cannot write.
func secretKeys() []string {
	return []string{"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"}
}

// LostSecrets returns those that a connection string has and that would be lost if it
// were written again; the password is repltool's to know.
func LostSecrets(now map[string]string) []string {
	return list.Kept(secretKeys(), func(key string) bool { return key != "password" && now[key] != "" })
}

// namesHost reports whether one of the hosts of a connection string, which may be several,
// is the wanted one: by its name, or by its address in hostaddr.
func namesHost(now, wanted map[string]string) bool {
	if wanted["host"] == "" {
		return false
	}
	hosts, addresses, ports := strings.Split(now["host"], ","), strings.Split(now["hostaddr"], ","), strings.Split(now["port"], ",")
	at := func(list []string, i int) string {
		if len(list) == 1 {
			return list[0]
		} else if i < len(list) {
			return list[i]
		}
		return ""
	}
	for i := range max(len(hosts), len(addresses)) {
		named := at(hosts, i) == wanted["host"] || at(addresses, i) == wanted["host"]
		if named && cmp.Or(at(ports, i), "5432") == cmp.Or(wanted["port"], "5432") {
			return true
		}
	}
	return false
}

// ConnDiff returns those of the keys in which two differ. What libpq would fill in
// anyway is no difference.
func ConnDiff(now, wanted map[string]string, keys []string) []string {
	defaults := map[string]string{"port": "5432", "sslmode": "prefer"}
	return slices.DeleteFunc(keys, func(key string) bool {
		return key == "host" && respelled(now, wanted) || cmp.Or(now[key], defaults[key]) == cmp.Or(wanted[key], defaults[key])
	})
}

// respelled reports whether two lead to one host that is written in two ways. libpq looks it up
// in a password file as it is written, so that where that is ours, ours counts.
func respelled(now, wanted map[string]string) bool {
	ours := wanted["passfile"] != "" && now["passfile"] == wanted["passfile"]
	return now["host"] != "" && SameHost(now["host"], wanted["host"]) && !ours
}

func PortOf(conn map[string]string) int {
	port, err := strconv.Atoi(cmp.Or(conn["port"], "5432"))
	if err != nil {
		return 0
	}
	return port
}

// Optional returns what is said, or nil.
func Optional(conn map[string]string, key string) *string {
	if v, ok := conn[key]; ok && v != "" {
		return &v
	}
	return nil
}
