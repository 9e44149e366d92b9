package postgres

import (
	"encoding/json"

	"github.com/repltool/repltool/providers/facts"
	"github.com/repltool/repltool/topology"
)

// Access of the roles that are there; a superuser may everything.
const accessSQL = `SELECT json_object_agg(r.rolname, json_build_object(
    'connect', has_database_privilege(r.oid, d.oid, 'CONNECT'),
    'schemas', (SELECT json_agg(s.nspname ORDER BY s.nspname) FROM (SELECT DISTINCT nspname, relnamespace FROM member) s
      WHERE has_schema_privilege(r.oid, s.relnamespace, 'USAGE')),
    'tables', (SELECT json_agg(json_build_object('schema', c.nspname, 'name', c.relname) ORDER BY c.nspname, c.relname) FROM member c
      WHERE has_table_privilege(r.oid, c.oid, 'SELECT'))))
  FROM want, pg_database d, pg_roles r WHERE d.datname = current_database() AND j->'roles' ? r.rolname::text`

func access() logicalSection {
	return logicalSection{"access", accessSQL, func(answer json.RawMessage, l *facts.Logical) error {
		rows := map[string]struct {
			Connect bool
			Schemas []string
			Tables  []topology.TableName
		}{}
		if err := json.Unmarshal(answer, &rows); err != nil {
			return err
		}
		for role, row := range rows {
			if l.Access == nil {
				l.Access = map[string]facts.Access{}
			}
			l.Access[role] = facts.Access(row)
		}
		return nil
	}}
}
