package importer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/topology"
)

// objects are the databases and their owners, and the roles that repltool created: a plan would
// drop what it created and the topology does not name.
func (d *decider) objects(g *group) {
	server := g.primary().server()
	template := server.Database("postgres")
	for _, found := range server.Databases {
		if slices.Contains([]string{"postgres", "template0", "template1"}, found.Name) {
			continue
		}
		if found.NoConnections || found.Invalid {
			d.doc.Comment(g.cluster, "end", fmt.Sprintf("Database %s lets nobody connect, and is not described.", found.Name))
			continue
		}
		if !sayable(found.Name) || !sayable(found.Owner) {
			d.doc.Comment(g.cluster, "end", fmt.Sprintf("Database %q has a name, or an owner, that cannot be written here.", found.Name))
			continue
		}
		db := &topology.Database{Name: found.Name, Parameters: d.plainParameters(found.Parameters, "database "+found.Name, g)}
		if template != nil && found.Encoding != template.Encoding {
			db.Encoding = found.Encoding
		}
		if template != nil && found.Locale != template.Locale {
			db.Locale = found.Locale
		}
		if owner := server.Role(found.Owner); owner != nil && !owner.Bootstrap {
			db.Owner = owner.Name
			d.describe(g, owner)
		}
		g.cluster.Databases = append(g.cluster.Databases, db)
	}
	for _, m := range managed(server) {
		if name, is := strings.CutPrefix(m.Object, "role "); is && server.Role(name) != nil {
			d.describe(g, server.Role(name))
		}
	}
	slices.SortStableFunc(g.cluster.Roles, func(a, b *topology.Role) int { return strings.Compare(a.Name, b.Name) })
}

// sayable reports whether the language takes a name of an object.
func sayable(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// managed are the rows of repltool's ledger, of a cluster that it has already.
func managed(s *facts.Server) []facts.Managed {
	if s.Ledger == nil {
		return nil
	}
	all := make([]facts.Managed, len(s.Ledger.Managed))
	for i, m := range s.Ledger.Managed {
		all[i] = m.Parse()
	}
	return all
}

// describe adds a role that is not described yet. Its password stays as it is.
func (d *decider) describe(g *group, found *facts.Role) *topology.Role {
	if r := g.cluster.Role(found.Name); r != nil {
		return r
	}
	r := &topology.Role{
		Name: found.Name, Login: found.Login, Replication: found.Replication, Superuser: found.Superuser, CreateDB: found.CreateDB, CreateRole: found.CreateRole,
		Inherit: found.Inherit, BypassRLS: found.BypassRLS, ConnectionLimit: found.ConnectionLimit, Parameters: d.plainParameters(found.Parameters, "role "+found.Name, g),
	}
	g.cluster.Roles = append(g.cluster.Roles, r)
	return r
}

// plainParameters are those of a role or a database that cannot have a secret in them.
func (d *decider) plainParameters(all topology.Parameters, of string, g *group) topology.Parameters {
	plain := topology.Parameters{}
	for _, name := range list.SortedKeys(all) {
		if value := all[name].Value; !secret(name, value) {
			plain[name] = topology.Parameter{Value: shown(g.primary().server().Settings[name], value)}
			continue
		}
		d.doc.Comment(g.cluster, "end", fmt.Sprintf("%s of %s stays as it is, since a secret may be in it.", name, of))
	}
	return plain
}
