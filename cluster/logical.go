package cluster

import (
	"slices"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/topology"
)

// What logical replication's kinds share: a publication and a subscription stand on
// their cluster's primary, each in a database, and a subscription looks at two
// clusters at once.

// Publications returns those of this cluster.
func (s *Cluster) Publications() []*topology.Publication {
	return list.Kept(s.Topology.Publications, func(p *topology.Publication) bool { return p.Cluster == s.Cluster })
}

// Subscriptions returns those of this cluster.
func (s *Cluster) Subscriptions() []*topology.Subscription {
	return list.Kept(s.Topology.Subscriptions, func(sub *topology.Subscription) bool { return sub.Cluster == s.Cluster })
}

// Logical returns what was read of a database of the member that leads; nil when the
// database is not there yet, and unknown reports that it could not be read.
func (s *Cluster) Logical(database string) (found *facts.Logical, unknown bool) {
	if s.Live() == nil {
		return nil, !s.IsNew()
	}
	found = s.Live().Logical[database]
	switch {
	case found == nil:
		return nil, s.Live().Database(database) != nil
	case found.Error != nil:
		return nil, true
	}
	return found, false
}

// logicalUnknown reports whether some database of the cluster's publications or
// subscriptions could not be read.
func (s *Cluster) logicalUnknown() bool {
	if s.Live() != nil && len(s.Live().Logical) > len(s.ReadDatabases()) {
		return true
	}
	unknown := func(database string) bool {
		_, unknown := s.Logical(database)
		return unknown
	}
	return slices.ContainsFunc(s.Publications(), func(p *topology.Publication) bool { return unknown(p.Database) }) ||
		slices.ContainsFunc(s.Subscriptions(), func(sub *topology.Subscription) bool { return unknown(sub.Database) })
}

// ReadDatabases are those whose logical replication was read, in order.
func (s *Cluster) ReadDatabases() []string {
	if s.Live() == nil {
		return nil
	}
	return slices.DeleteFunc(list.SortedKeys(s.Live().Logical), func(name string) bool {
		found := s.Live().Logical[name]
		return found == nil || found.Error != nil
	})
}

// Row is the key in the ledger of a publication or a subscription: unlike its
// address it begins with the cluster's, in whose ledger it stands.
func (s *Cluster) Row(of topology.Address) topology.Address { return of.In(s.ClusterAddress) }

// AddressOfRow is the way back.
func (s *Cluster) AddressOfRow(row topology.Address) topology.Address {
	if row.Kind == "publication" || row.Kind == "subscription" {
		row.Cluster = ""
	}
	return row
}

// renamedByHand returns the name of the subscription that the ledger has under another one; "" for none.
func renamedByHand(found *facts.Logical, r LedgerRow) string {
	if found == nil || r.OID == 0 || found.Subscription(r.Name) != nil {
		return ""
	}
	for _, is := range found.Subscriptions {
		if is.OID == r.OID {
			return is.Name
		}
	}
	return ""
}

// Member reports whether a table belongs to the publication, by itself, by its
// schema, or by a partitioned table above it.
func Member(p *topology.Publication, t *facts.Table) bool {
	return p.Covers(t.Table) || slices.ContainsFunc(t.Parents, p.Covers)
}

// AtLeast reports whether the cluster has, or will have, that version.
func (s *Cluster) AtLeast(version int) bool { return s.Major() >= version }

// Major is the version of the member that leads or, where none does, of the one that should.
func (s *Cluster) Major() int {
	if s.Live() != nil {
		return s.Live().Major()
	}
	if h := s.Found(s.Goal.Primary).Host; h != nil {
		return h.Version
	}
	return s.Cluster.Version
}

// Subscribers returns the subscriptions that this cluster publishes to.
func (s *Cluster) Subscribers() []*topology.Subscription {
	return compute(s, "subscribers", s.Cluster, func() []*topology.Subscription {
		of := list.Kept(s.Topology.Subscriptions, func(sub *topology.Subscription) bool { return sub.Publisher() == s.Cluster })
		return slices.Clip(of)
	})
}
