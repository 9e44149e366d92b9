package endpoint

import (
	"fmt"
	"io"
	"strings"

	"github.com/repltool/repltool/cluster"
)

// Databases for PgBouncer, for a file that pgbouncer.ini includes in its section [databases]
// (%include). Each database of the topology is there under its name, for writes, and as NAME_ro for
// reads; with -for only the one that is wanted, under its name. A cluster without a database block
// has the fallback "*". Several hosts of one line take turns (PgBouncer 1.17 and later), and have one
// port: who has another one than the first is left out. Nobody is written where nobody is given:
// clients get an error, and no connection to the wrong server.

// pgbouncer writes the databases.
func (e *Endpoints) pgbouncer(w io.Writer) error {
	var b strings.Builder
	e.head(&b)
	if len(e.Cluster.Databases) == 0 {
		e.entry(&b, "*", "", e.given())
	}
	for _, db := range e.Cluster.Databases {
		if e.For != Both {
			e.entry(&b, db.Name, "", e.given())
			continue
		}
		e.entry(&b, db.Name, "", e.writers())
		e.entry(&b, db.Name+"_ro", db.Name, e.readers())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// entry is one line: a name for clients, and who is connected to.
func (e *Endpoints) entry(b *strings.Builder, name, database string, members []cluster.Fitness) {
	if len(members) == 0 {
		return
	}
	var hosts []string
	for _, m := range members {
		if m.Port == members[0].Port {
			hosts = append(hosts, m.Node.Address)
		}
	}
	fmt.Fprintf(b, "%s = host=%s port=%d", bouncerName(name), bouncerValue(strings.Join(hosts, ",")), members[0].Port)
	if database != "" {
		fmt.Fprintf(b, " dbname=%s", bouncerValue(database))
	}
	b.WriteString("\n")
}

// bouncerName is a name of a section: other letters than those take double quotes.
func bouncerName(name string) string {
	if name == "*" || plain(name) == name && !strings.ContainsAny(name, ".-") {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// bouncerValue is a value of a connection string: a quote in it is written twice.
func bouncerValue(value string) string {
	if !strings.ContainsAny(value, " '\t") {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", "''") + "'"
}
