package build

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// Statements about parameters, privileges and the ledger's addresses.

// setParameter does ALTER ROLE or DATABASE … SET and RESET.
func setParameter(c call) error {
	kind, name, database, reset, parameter, value := c.found[1], c.found[2], c.found[3], c.found[4] == "RESET", strings.ToLower(c.found[5]), c.found[6]
	parameters, err := c.parametersOf(kind, name, database)
	if err != nil {
		return err
	}
	if *parameters == nil {
		*parameters = topology.Parameters{}
	}
	if reset {
		delete(*parameters, parameter)
		return nil
	}
	if setting, known := c.n.Server.Settings[parameter]; known {
		if _, err := cluster.Normalise(setting, value); err != nil {
			return fmt.Errorf("parameter %s: %w", parameter, err)
		}
	}
	(*parameters)[parameter] = topology.Parameter{Value: value}
	return nil
}

// parametersOf are those of a role, of a role in a database, or of a database.
func (c call) parametersOf(kind, name, database string) (*topology.Parameters, error) {
	if kind == "DATABASE" {
		if db := c.n.Server.Database(name); db != nil {
			return &db.Parameters, nil
		}
		return nil, fmt.Errorf("database %s does not exist", name)
	}
	if database != "" {
		return nil, unknown{"ALTER ROLE … IN DATABASE … SET"}
	}
	r, err := c.role(name)
	if err != nil {
		return nil, err
	}
	return &r.Parameters, nil
}

// dropOwned takes from a role what it has in one database: another has what it owned there.
func dropOwned(c call) error {
	r, err := c.role(c.found[1])
	if err != nil {
		return err
	}
	for i := range c.n.Server.Databases {
		if db := &c.n.Server.Databases[i]; db.Owner == r.Name {
			db.Owner = "postgres"
		}
	}
	here := func(database string) bool { return database == c.database || database == "" }
	r.NeededBy = remove(r.NeededBy, here)
	for database := range r.Owns {
		if here(database) {
			delete(r.Owns, database)
		}
	}
	return nil
}

// grantAccess lets a role connect to the database, use a schema or read tables.
func grantAccess(c call) error {
	l := c.n.Server.Logical[c.database]
	if l == nil {
		return unknown{"GRANT in a database that is not read"}
	}
	role := unquoted(c.found[3])
	a, known := l.Access[role]
	a.Connect = a.Connect || !known && !l.Closed
	switch c.found[1] {
	case "CONNECT ON DATABASE":
		a.Connect = true
	case "USAGE ON SCHEMA":
		for _, schema := range regexp.MustCompile(ident).FindAllString(c.found[2], -1) {
			a.Schemas = append(slices.Clone(a.Schemas), unquoted(schema))
		}
	case "SELECT ON TABLE":
		for _, table := range strings.Split(c.found[2], ", ") {
			name, err := topology.ParseTableName(table)
			if err != nil {
				return err
			}
			a.Tables = append(slices.Clone(a.Tables), name)
		}
	}
	if l.Access == nil {
		l.Access = map[string]facts.Access{}
	}
	l.Access[role] = a
	return nil
}

// readdress gives rows of the ledger the addresses that their objects have now.
func readdress(c call) error {
	l := c.n.Server.Ledger
	for _, r := range regexp.MustCompile(`\(`+literal+`, `+literal+`, `+literal+`\)`).FindAllStringSubmatch(c.text, -1) {
		for i := range l.Managed {
			if m := &l.Managed[i]; m.Address == unquoted(r[1]) {
				m.Address, m.Object = unquoted(r[2]), unquoted(r[3])
				*m = m.Parse()
			}
		}
	}
	return nil
}

// noBackup ends the base backups of a server, which a wait lets come to their end.
func noBackup(n *facts.Node, _ []string, _ string) bool {
	n.Server.Senders = remove(n.Server.Senders, func(w facts.Sender) bool { return w.Copies() })
	return true
}

// someStream reports whether so many stream, whoever they are.
func someStream(n *facts.Node, found []string, _ string) bool {
	count := 0
	for _, w := range n.Server.Senders {
		if w.State == "streaming" && !w.Copies() {
			count++
		}
	}
	return fmt.Sprint(count) >= found[1]
}
