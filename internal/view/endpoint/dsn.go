package endpoint

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/view"
)

// A connection string and variables for libpq (PostgreSQL docs, 34.1.1 "Connection Strings"). For
// writes it lists every member that may become the primary, the one that leads first, and libpq
// looks for the one that accepts writes: so it stays right after a move. libpq knows no lag: for
// reads it lists only who is fit. prefer-standby takes libpq 14.

// hosts are whom a client tries, in this order, and what session it wants there.
func (e *Endpoints) hosts() (members []cluster.Fitness, session string) {
	if e.For == Read {
		members = e.standbys()
		if len(members) == 0 {
			return e.readers(), "any"
		}
		if e.StandbysOnly {
			return members, "any"
		}
		return append(members, e.writers()...), "prefer-standby"
	}
	if members = e.writers(); len(members) == 0 {
		return nil, ""
	}
	others := e.those(func(m cluster.Fitness) bool { return !m.Writes && !m.Foreign && m.Role != facts.RoleNone })
	return append(members, others...), "read-write"
}

// dsn writes a connection string, to which a client adds dbname, user and the rest.
func (e *Endpoints) dsn(w io.Writer) error {
	members, session := e.hosts()
	if len(members) == 0 {
		return nil
	}
	hosts, ports := places(members)
	_, err := fmt.Fprintf(w, "host=%s port=%s target_session_attrs=%s connect_timeout=3\n", quoted(hosts), ports, session)
	return err
}

// places are the hosts and ports of members, as libpq lists them: one port, if all have the same.
func places(members []cluster.Fitness) (hosts, ports string) {
	var h, p []string
	for _, m := range members {
		h, p = append(h, m.Node.Address), append(p, strconv.Itoa(m.Port))
	}
	if len(slices.Compact(slices.Clone(p))) == 1 {
		p = p[:1]
	}
	return strings.Join(h, ","), strings.Join(p, ",")
}

// quoted is a value of a connection string.
func quoted(value string) string {
	if value != "" && !strings.ContainsAny(value, " '\\\t\n") {
		return value
	}
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
}

// env writes variables for a shell: those of libpq for what is wanted, if -for says it, and who
// the primary and the readers are.
func (e *Endpoints) env(w io.Writer) error {
	var b strings.Builder
	set := func(name, value string) { fmt.Fprintf(&b, "%s=%s\n", name, view.Shell(value)) }
	if e.For != Both {
		members, session := e.hosts()
		if len(members) == 0 {
			return nil
		}
		hosts, ports := places(members)
		set("PGHOST", hosts)
		set("PGPORT", ports)
		set("PGTARGETSESSIONATTRS", session)
		set("PGCONNECT_TIMEOUT", "3")
	}
	primary, port := "", ""
	if w := e.writers(); len(w) > 0 {
		primary, port = places(w)
	}
	replicas, ports := places(e.readers())
	set("PRIMARY_HOST", primary)
	set("PRIMARY_PORT", port)
	set("REPLICA_HOSTS", replicas)
	set("REPLICA_PORTS", ports)
	set("ENDPOINTS_TOKEN", e.Token())
	set("ENDPOINTS_AS_OF", e.asOf())
	_, err := io.WriteString(w, b.String())
	return err
}
