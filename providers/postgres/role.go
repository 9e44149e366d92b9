package postgres

import (
	"encoding/json"
	"slices"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// Roles, without PostgreSQL's own (pg_…), which stand among the memberships only.
// From PostgreSQL 16 on, who makes a role becomes a member of it that may grant it
// and nothing else: such a membership (neither inherited nor set) is none here. There
// may be several from as many grantors, each with its own end; the bootstrap
// superuser, whose grants a plain REVOKE takes back, is not told.
func rolesSQL() string {
	return `SELECT json_agg(json_build_object(
    'oid', r.oid, 'name', r.rolname, 'login', r.rolcanlogin, 'replication', r.rolreplication, 'superuser', r.rolsuper,
    'createdb', r.rolcreatedb, 'createrole', r.rolcreaterole, 'inherit', r.rolinherit, 'bypassrls', r.rolbypassrls, 'bootstrap', r.oid = 10,
    'connection_limit', r.rolconnlimit, 'valid_until', ` + utc("r.rolvaliduntil") + `, 'expired', coalesce(r.rolvaliduntil <= now(), false), 'verifier', r.rolpassword,
    'memberships', m.all, 'config', c.setconfig, 'needed_by', n.databases, 'owns', n.owns, 'in_database', b.all) ORDER BY r.rolname)
  FROM pg_authid r
  LEFT JOIN (
    SELECT a.member, json_agg(json_build_object('role', g.rolname, 'grantor',
      CASE WHEN o ? 'inherit_option' AND a.grantor <> 10 THEN pg_get_userbyid(a.grantor) END) ORDER BY g.rolname, a.grantor) AS all
    FROM pg_auth_members a JOIN pg_authid g ON g.oid = a.roleid, to_jsonb(a) AS o
    WHERE coalesce((o->>'inherit_option')::bool, true) OR coalesce((o->>'set_option')::bool, true)
    GROUP BY a.member) m ON m.member = r.oid
  LEFT JOIN (
    SELECT refobjid, json_agg(name ORDER BY name) AS databases, json_object_agg(name, owned) FILTER (WHERE owned > 0) AS owns
    FROM (SELECT refobjid, coalesce(d.datname, '') AS name, count(*) FILTER (WHERE s.deptype NOT IN ('a', 'i')) AS owned
      FROM pg_shdepend s LEFT JOIN pg_database d ON d.oid = CASE WHEN s.classid = 'pg_database'::regclass THEN s.objid ELSE s.dbid END
      WHERE refclassid = 'pg_authid'::regclass AND s.classid <> 'pg_auth_members'::regclass
      GROUP BY 1, 2) one
    GROUP BY refobjid) n ON n.refobjid = r.oid
  LEFT JOIN (
    SELECT setrole, json_object_agg(d.datname, setconfig) AS all
    FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase GROUP BY setrole) b ON b.setrole = r.oid
  LEFT JOIN pg_db_role_setting c ON c.setrole = r.oid AND c.setdatabase = 0
  WHERE r.rolname !~ '^pg_'`
}

type roleRow struct {
	OID             int64 `json:",string"`
	Name            string
	Login           bool
	Replication     bool
	Superuser       bool
	CreateDB        bool
	CreateRole      bool
	Inherit         bool
	BypassRLS       bool
	ConnectionLimit int    `json:"connection_limit"`
	ValidUntil      string `json:"valid_until"`
	Memberships     []struct{ Role, Grantor string }
	NeededBy        []string `json:"needed_by"`
	Owns            map[string]int
	Config          []string
	InDatabase      map[string][]string `json:"in_database"`
	Expired         bool
	Verifier        *string
	Bootstrap       bool
}

func roles() section {
	return section{"roles", rolesSQL(), func(answer json.RawMessage, s *facts.Server) error {
		return each(answer, func(r roleRow) { s.Roles = append(s.Roles, r.role()) })
	}}
}

func (r roleRow) role() facts.Role {
	role := facts.Role{OID: r.OID, NeededBy: r.NeededBy, Owns: r.Owns, Bootstrap: r.Bootstrap, Expired: r.Expired, Role: topology.Role{
		Name: r.Name, Login: r.Login, Replication: r.Replication, Superuser: r.Superuser, CreateDB: r.CreateDB,
		CreateRole: r.CreateRole, Inherit: r.Inherit, BypassRLS: r.BypassRLS, ConnectionLimit: r.ConnectionLimit,
		ValidUntil: r.ValidUntil, Parameters: parameters(r.Config),
	}}
	for _, m := range r.Memberships {
		if !slices.Contains(role.MemberOf, m.Role) {
			role.MemberOf = append(role.MemberOf, m.Role)
		}
		if m.Grantor != "" {
			role.Grants = append(role.Grants, facts.Grant{Role: m.Role, Grantor: m.Grantor})
		}
	}
	for database, config := range r.InDatabase {
		if role.InDatabase == nil {
			role.InDatabase = map[string]topology.Parameters{}
		}
		role.InDatabase[database] = parameters(config)
	}
	if r.Verifier != nil {
		role.Verifier = topology.NewSecret("role."+r.Name+".verifier", *r.Verifier)
	}
	return role
}
