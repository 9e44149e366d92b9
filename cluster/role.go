package cluster

import (
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/scram"
	"github.com/repltool/repltool/topology"
)

// PasswordChanges reports whether a role is to have another password than the one stored.
func (s *Cluster) PasswordChanges(r *topology.Role, found *facts.Role) bool {
	return compute(s, "password", r, func() bool {
		return r.Password.IsSet() && !s.Ignores(r.Lifecycle, "role", "password") && !scram.Matches(found.Verifier.Reveal(), r.Name, r.Password.Reveal())
	})
}

// LetsGo counts what of the objects that a role owns in a database this plan drops or
// gives to another owner; "" stands for what is in no database.
func (s *Cluster) LetsGo(role, database string) int {
	n := 0
	if s.changesOwner(database, role) {
		n++
	}
	for _, name := range s.ReadDatabases() {
		found := s.Live().Logical[name]
		for _, p := range found.Publications {
			if name == database && p.Owner == role && s.publicationLeaves(name, p.Name, role) {
				n++
			}
		}
		for _, sub := range found.Subscriptions {
			o := Object{"subscription", sub.Name, name}
			if database == "" && sub.Owner == role && s.IsOurs(o) && !s.WantsSubscription(name, sub.Name) {
				n++
			}
		}
	}
	return n
}

// publicationLeaves reports whether a publication is dropped, or taken from its owner.
func (s *Cluster) publicationLeaves(database, name, owner string) bool {
	for _, p := range s.Publications() {
		if p.Database == database && p.Name == name {
			return p.Owner != "" && p.Owner != owner && !p.Lifecycle.Ignores("owner")
		}
	}
	return s.IsOurs(Object{"publication", name, database}) && s.PublicationUser(database, name) == nil
}

// Drops reports whether the plan drops a database.
func (s *Cluster) Drops(database string) bool {
	return s.IsOurs(Object{Kind: "database", Name: database}) && s.Cluster.Database(database) == nil && s.DatabaseUser(database) == nil
}

// changesOwner reports whether the plan takes a database from its owner. What else the
// role has there is then the server's to tell.
func (s *Cluster) changesOwner(database, owner string) bool {
	wanted, found := s.Cluster.Database(database), s.Live().Database(database)
	return wanted != nil && wanted.Owner != "" && wanted.Owner != owner && found != nil && found.Owner == owner
}
