package postgres

import (
	"encoding/json"

	"github.com/repltool/repltool/providers/facts"
	"github.com/repltool/repltool/topology"
)

// access tells what roles may read of the tables asked about.
func access(w LogicalWant) logicalPart {
	roles := literals(w.Roles)
	if roles == "" {
		roles = "NULL"
	}
	sql := `SELECT json_agg(json_build_object('role', a.rolname, 'connect', has_database_privilege(a.oid, current_database(), 'CONNECT'),
    'schemas', (SELECT json_agg(DISTINCT n.nspname) FROM relations JOIN pg_class c USING (oid) JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE has_schema_privilege(a.oid, n.oid, 'USAGE')),
    'tables', (SELECT json_agg(json_build_object('schema', n.nspname, 'name', c.relname) ORDER BY n.nspname, c.relname)
      FROM relations JOIN pg_class c USING (oid) JOIN pg_namespace n ON n.oid = c.relnamespace WHERE has_table_privilege(a.oid, c.oid, 'SELECT'))))
    FROM pg_roles a WHERE a.rolname IN (` + roles + `)`
	return logicalPart{"access", sql, func(answer json.RawMessage, l *facts.Logical) error {
		l.Access = map[string]facts.Access{}
		return each(answer, func(r accessRow) { l.Access[r.Role] = r.access() })
	}}
}

type accessRow struct {
	Role    string
	Connect bool
	Schemas []string
	Tables  []struct{ Schema, Name string }
}

func (r accessRow) access() facts.Access {
	a := facts.Access{Connect: r.Connect, Schemas: r.Schemas}
	for _, t := range r.Tables {
		a.Tables = append(a.Tables, topology.TableName{Schema: t.Schema, Name: t.Name})
	}
	return a
}
