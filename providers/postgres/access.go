package postgres

import (
	"encoding/json"
	"fmt"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// Access of the roles that exist: those asked about, those that may replicate, and the
// owners of the wanted subscriptions. A superuser may everything. SET of pg_has_role is of PostgreSQL 16;
// before that, a member may always SET ROLE.
// Of parameters that several ALTER ROLE and ALTER DATABASE set, the role's go first.
const accessSQL = `SELECT json_object_agg(r.rolname, json_build_object(
    'connect', has_database_privilege(r.oid, d.oid, 'CONNECT'),
    'schemas', (SELECT json_agg(s.nspname ORDER BY s.nspname) FROM (SELECT DISTINCT nspname, relnamespace FROM member) s
      WHERE has_schema_privilege(r.oid, s.relnamespace, 'USAGE')),
    'tables', (SELECT json_agg(json_build_object('schema', c.nspname, 'name', c.relname) ORDER BY c.nspname, c.relname) FROM member c
      WHERE has_table_privilege(r.oid, c.oid, 'SELECT')),
    'lacks', (SELECT json_agg(json_build_object('table', json_build_object('schema', c.nspname, 'name', c.relname), 'privileges', l.privileges) ORDER BY c.nspname, c.relname)
      FROM member c, LATERAL (SELECT json_agg(p ORDER BY place) AS privileges FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) WITH ORDINALITY AS u(p, place)
        WHERE NOT has_table_privilege(r.oid, c.oid, p)) l
      WHERE l.privileges IS NOT NULL AND EXISTS (SELECT FROM pg_subscription s WHERE s.subdbid = d.oid AND s.subowner = r.oid)),
    'restricted', (SELECT json_agg(json_build_object('schema', c.nspname, 'name', c.relname) ORDER BY c.nspname, c.relname) FROM member c
      WHERE c.relrowsecurity AND (c.relforcerowsecurity OR NOT pg_has_role(r.oid, c.relowner, 'USAGE'))),
    'becomes', (SELECT json_agg(DISTINCT o.rolname) FROM member c JOIN pg_roles o ON o.oid = c.relowner WHERE pg_has_role(r.oid, o.oid, '%s')),
    'limits', (SELECT json_object_agg(l.name, l.value) FROM (SELECT DISTINCT ON (1) split_part(c, '=', 1) AS name, substr(c, strpos(c, '=') + 1) AS value
      FROM pg_db_role_setting g, unnest(g.setconfig) c WHERE g.setrole IN (r.oid, 0) AND g.setdatabase IN (d.oid, 0) AND split_part(c, '=', 1) LIKE '%%\_timeout'
      ORDER BY 1, g.setrole = 0, g.setdatabase = 0) l),
    'granted', json_build_object('connect', EXISTS (SELECT FROM aclexplode(d.datacl) p WHERE p.grantee = r.oid AND p.privilege_type = 'CONNECT' AND d.datdba <> r.oid),
      'schemas', (SELECT json_agg(n.nspname ORDER BY n.nspname) FROM pg_namespace n WHERE n.oid IN (SELECT relnamespace FROM member) AND n.nspowner <> r.oid
        AND EXISTS (SELECT FROM aclexplode(n.nspacl) p WHERE p.grantee = r.oid AND p.privilege_type = 'USAGE')),
      'tables', (SELECT json_agg(json_build_object('schema', c.nspname, 'name', c.relname) ORDER BY c.nspname, c.relname) FROM member c WHERE c.relowner <> r.oid
        AND EXISTS (SELECT FROM aclexplode(c.relacl) p WHERE p.grantee = r.oid AND p.privilege_type = 'SELECT')))))
  FROM want, pg_database d, pg_roles r WHERE d.datname = current_database() AND (j->'roles' ? r.rolname::text OR r.rolreplication AND r.rolcanlogin AND NOT r.rolsuper
    OR EXISTS (SELECT FROM pg_subscription s WHERE s.subdbid = d.oid AND s.subowner = r.oid AND j->'subscriptions' ? s.subname::text))`

func access(major int) logicalSection {
	set := "SET"
	if major < 16 {
		set = "MEMBER"
	}
	return logicalSection{"access", fmt.Sprintf(accessSQL, set), func(answer json.RawMessage, l *facts.Logical) error {
		rows := map[string]struct {
			Connect    bool
			Schemas    []string
			Tables     []topology.TableName
			Lacks      []facts.LackedPrivileges
			Restricted []topology.TableName
			Becomes    []string
			TimeLimits map[string]string `json:"limits"`
			Granted    facts.Granted
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
