package importer

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/importer/write"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/topology"
)

// login is the role as which standbys connect, and how.
func (d *decider) login(g *group) {
	c := g.cluster
	c.Replication = topology.Replication{SSLMode: "prefer", Method: "scram-sha-256"}
	if len(g.members) == 1 {
		return
	}
	first := g.members[1]
	for _, m := range g.members[1:] {
		if m.conn["user"] != "" {
			first = m
			break
		}
	}
	c.Replication = topology.Replication{
		SSLMode: first.ssl("sslmode", "prefer"), Method: "scram-sha-256",
		SSLRootCert: first.conn["sslrootcert"], SSLCert: first.conn["sslcert"], SSLKey: first.conn["sslkey"],
	}
	for _, m := range g.members[1:] {
		if m.user() != first.user() {
			d.doc.Comment(c, "replication", fmt.Sprintf("%s connects as role %s. Standbys of one cluster connect as one role here.", m.node.Name, m.user()))
		}
		if m.ssl("sslmode", "prefer") != c.Replication.SSLMode {
			d.doc.Comment(c, "replication", fmt.Sprintf("%s connects with sslmode=%s. Standbys of one cluster have one sslmode here.", m.node.Name, m.ssl("sslmode", "prefer")))
		}
	}
	d.role(g, first.user())
}

// user is the role as which a standby connects: by default that of its OS user's name.
func (m *member) user() string {
	if m.conn["user"] == "" {
		return m.Facts.Host.OSUser
	}
	return m.conn["user"]
}

func (m *member) ssl(key, normal string) string {
	if m.conn[key] == "" {
		return normal
	}
	return m.conn[key]
}

// role describes the role, with a variable for its password.
func (d *decider) role(g *group, name string) {
	found := g.primary().server().Role(name)
	if found == nil {
		d.doc.Comment(g.cluster, "replication", fmt.Sprintf("The standbys connect as a role that the primary does not have: %s.", name))
		return
	}
	r := d.describe(g, found)
	g.cluster.Replication.Role = r
	password, known := g.password(name)
	if !known && g.cluster.Replication.SSLCert != "" {
		g.cluster.Replication.Method = "cert"
		return
	}
	d.secret(g, r, "as which standbys connect", password, known)
}

// secret gives a role a variable for its password, and the variable its value where that is
// known.
func (d *decider) secret(g *group, r *topology.Role, use, password string, known bool) {
	r.Password = d.variableFor(r.Name, fmt.Sprintf("Password of role %s of cluster %s, %s.", r.Name, g.cluster.Name, use), password, known)
	if known {
		return
	}
	d.doc.Comment(r, "", "The password is not known: it is in no connection string, nor in a password file that could be read.")
	d.d.Unproven = append(d.d.Unproven, fmt.Sprintf("the password of role %s of %s, which is not known", r.Name, g.cluster.Name))
}

// variableFor declares a variable for a password.
func (d *decider) variableFor(name, description, password string, known bool) topology.Secret {
	v := write.Variable{Name: d.variable(name), Description: description}
	d.doc.Variables = append(d.doc.Variables, v)
	if known {
		d.d.Passwords[v.Name] = topology.NewSecret(v.Ref(), password)
	}
	return topology.NewSecret(v.Ref(), "")
}

// variable returns the name of a variable that is not taken.
func (d *decider) variable(role string) string {
	name := strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}, role)
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		name = "role_" + name
	}
	for i := 1; ; i++ {
		candidate := name + "_password"
		if i > 1 {
			candidate += fmt.Sprintf("_%d", i)
		}
		if !d.hasVariable(candidate) {
			return candidate
		}
	}
}

func (d *decider) hasVariable(name string) bool {
	for _, v := range d.doc.Variables {
		if v.Name == name {
			return true
		}
	}
	return false
}

// password is the one with which a standby logs in.
func (g *group) password(user string) (string, bool) {
	for _, m := range g.members[1:] {
		if m.user() != user {
			continue
		}
		if p := m.conn["password"]; p != "" {
			return p, true
		}
		files := []facts.SecretFile{m.Facts.Host.Passfile}
		if f := m.Facts.Host.StandbyPassfile; f != nil {
			files = append(files, *f)
		}
		for _, f := range files {
			if p, found := conninfo.Passfile(f.Text.Reveal(), m.conn["host"], strconv.Itoa(pg.PortOf(m.conn)), "replication", user); found && f.Path == m.conn["passfile"] {
				return p, true
			}
		}
	}
	return "", false
}
