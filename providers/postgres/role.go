package postgres

import (
	"encoding/json"

	"github.com/repltool/repltool/providers/facts"
	"github.com/repltool/repltool/topology"
)

// Roles, without PostgreSQL's own (pg_…), which stand among the memberships only.
// From PostgreSQL 16 on, who makes a role becomes a member of it that may grant it
// and nothing else: such a membership (neither inherited nor set) is none here.
func rolesSQL() string {
	return `SELECT json_agg(json_build_object(
    'name', r.rolname, 'login', r.rolcanlogin, 'replication', r.rolreplication, 'superuser', r.rolsuper,
    'createdb', r.rolcreatedb, 'createrole', r.rolcreaterole, 'inherit', r.rolinherit, 'bypassrls', r.rolbypassrls,
    'connection_limit', r.rolconnlimit, 'valid_until', ` + utc("r.rolvaliduntil") + `, 'verifier', r.rolpassword,
    'member_of', m.roles, 'config', c.setconfig) ORDER BY r.rolname)
  FROM pg_authid r
  LEFT JOIN (
    SELECT a.member, json_agg(DISTINCT g.rolname::text) AS roles
    FROM pg_auth_members a JOIN pg_authid g ON g.oid = a.roleid, to_jsonb(a) AS o
    WHERE coalesce((o->>'inherit_option')::bool, true) OR coalesce((o->>'set_option')::bool, true)
    GROUP BY a.member) m ON m.member = r.oid
  LEFT JOIN pg_db_role_setting c ON c.setrole = r.oid AND c.setdatabase = 0
  WHERE r.rolname !~ '^pg_'`
}

type roleRow struct {
	Name            string
	Login           bool
	Replication     bool
	Superuser       bool
	CreateDB        bool
	CreateRole      bool
	Inherit         bool
	BypassRLS       bool
	ConnectionLimit int      `json:"connection_limit"`
	ValidUntil      string   `json:"valid_until"`
	MemberOf        []string `json:"member_of"`
	Config          []string
	Verifier        *string
}

func roles() section {
	return section{"roles", rolesSQL(), func(answer json.RawMessage, s *facts.Server) error {
		return each(answer, func(r roleRow) { s.Roles = append(s.Roles, r.role()) })
	}}
}

func (r roleRow) role() facts.Role {
	role := facts.Role{Role: topology.Role{
		Name: r.Name, Login: r.Login, Replication: r.Replication, Superuser: r.Superuser, CreateDB: r.CreateDB,
		CreateRole: r.CreateRole, Inherit: r.Inherit, BypassRLS: r.BypassRLS, ConnectionLimit: r.ConnectionLimit,
		ValidUntil: r.ValidUntil, MemberOf: r.MemberOf, Parameters: parameters(r.Config),
	}}
	if r.Verifier != nil {
		role.Verifier = topology.NewSecret("role."+r.Name+".verifier", *r.Verifier)
	}
	return role
}
