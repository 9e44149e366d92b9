package postgres

import (
	"strings"

	"github.com/repltool/repltool/providers/facts"
	"github.com/repltool/repltool/topology"
)

// roleRow is a row of pg_authid.
type roleRow struct {
	Name        string   `json:"name"`
	Login       bool     `json:"login"`
	Replication bool     `json:"replication"`
	Superuser   bool     `json:"superuser"`
	CreateDB    bool     `json:"createdb"`
	CreateRole  bool     `json:"createrole"`
	Inherit     bool     `json:"inherit"`
	BypassRLS   bool     `json:"bypassrls"`
	Limit       int      `json:"connection_limit"`
	ValidUntil  string   `json:"valid_until"`
	Verifier    *string  `json:"verifier"`
	MemberOf    []string `json:"member_of"`
	Config      []string `json:"config"`
}

// The system's own roles (pg_…) are not of anybody's topology.
const rolesSQL = `SELECT json_agg(r ORDER BY name) FROM (
  SELECT rolname AS name, rolcanlogin AS login, rolreplication AS replication, rolsuper AS superuser, rolcreatedb AS createdb,
    rolcreaterole AS createrole, rolinherit AS inherit, rolbypassrls AS bypassrls, rolconnlimit AS connection_limit,
    CASE WHEN isfinite(rolvaliduntil) THEN to_char(rolvaliduntil AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS"Z"') END AS valid_until,
    rolpassword AS verifier,
    (SELECT json_agg(g.rolname ORDER BY g.rolname) FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = a.oid) AS member_of,
    (SELECT to_json(setconfig) FROM pg_db_role_setting WHERE setdatabase = 0 AND setrole = a.oid) AS config
  FROM pg_authid a WHERE rolname !~ '^pg_') r`

func (r roleRow) facts() facts.Role {
	role := facts.Role{Role: topology.Role{
		Name: r.Name, Login: r.Login, Replication: r.Replication, Superuser: r.Superuser, CreateDB: r.CreateDB,
		CreateRole: r.CreateRole, Inherit: r.Inherit, BypassRLS: r.BypassRLS, ConnectionLimit: r.Limit,
		ValidUntil: r.ValidUntil, MemberOf: r.MemberOf, Parameters: parameters(r.Config),
	}}
	if r.Verifier != nil {
		role.Verifier = topology.NewSecret("", *r.Verifier)
	}
	return role
}

// parameters reads the name=value texts of pg_db_role_setting.
func parameters(config []string) topology.Parameters {
	p := topology.Parameters{}
	for _, c := range config {
		name, value, _ := strings.Cut(c, "=")
		p[strings.ToLower(name)] = topology.Parameter{Value: value}
	}
	return p
}
