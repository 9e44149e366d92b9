package plan

import (
	"slices"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// What logical replication's kinds share: a publication and a subscription stand on
// their cluster's primary, each in a database, and a subscription looks at two
// clusters at once.

// publications answers those of this cluster.
func (s *scope) publications() []*topology.Publication {
	return kept(s.topology.Publications, func(p *topology.Publication) bool { return p.Cluster == s.cluster })
}

// subscriptions answers those of this cluster.
func (s *scope) subscriptions() []*topology.Subscription {
	return kept(s.topology.Subscriptions, func(sub *topology.Subscription) bool { return sub.Cluster == s.cluster })
}

// subscriptionAddresses are those of every subscription, wanted or on its way out.
func (s *scope) subscriptionAddresses() []topology.Address {
	all := subscriptionBlocks(s.topology)
	for _, m := range s.ledgered() {
		all = append(all, s.of(m.by).goneAddress(m.row))
	}
	return all
}

// partnerAddresses are those of the subscriptions that have to do with the cluster, and
// of all that leave: whose publisher a subscription was that left the topology, nothing
// says any more.
func (s *scope) partnerAddresses() []topology.Address {
	var all []topology.Address
	for _, sub := range s.topology.Subscriptions {
		if sub.Cluster == s.cluster || sub.Publisher() == s.cluster {
			all = append(all, sub.Address())
		}
	}
	return append(all, without(s.subscriptionAddresses(), subscriptionBlocks(s.topology))...)
}

func subscriptionBlocks(t *topology.Topology) []topology.Address {
	var all []topology.Address
	for _, sub := range t.Subscriptions {
		all = append(all, sub.Address())
	}
	return all
}

// logical answers what was read of a database of the primary; nil when the
// database is not there yet, and unknown tells that it could not be read.
func (s *scope) logical(database string) (found *facts.Logical, unknown bool) {
	if s.live() == nil {
		return nil, !s.fresh()
	}
	found = s.live().Logical[database]
	switch {
	case found == nil:
		return nil, s.live().Database(database) != nil
	case found.Error != nil:
		return nil, true
	}
	return found, false
}

// logicalUnknown tells whether some database of the cluster's publications or
// subscriptions could not be read.
func (s *scope) logicalUnknown() bool {
	unknown := func(database string) bool {
		_, unknown := s.logical(database)
		return unknown
	}
	return slices.ContainsFunc(s.publications(), func(p *topology.Publication) bool { return unknown(p.Database) }) ||
		slices.ContainsFunc(s.subscriptions(), func(sub *topology.Subscription) bool { return unknown(sub.Database) })
}

// readDatabases are those whose logical replication was read, in order.
func (s *scope) readDatabases() []string {
	if s.live() == nil {
		return nil
	}
	return slices.DeleteFunc(sortedKeys(s.live().Logical), func(name string) bool {
		found := s.live().Logical[name]
		return found == nil || found.Error != nil
	})
}

// row is the key in the ledger of a publication or a subscription: unlike its
// address it begins with the cluster's, in whose ledger it stands.
func (s *scope) row(of topology.Address) topology.Address { return of.In(s.clusterAddress) }

// addressOfRow is the way back.
func (s *scope) addressOfRow(row topology.Address) topology.Address {
	if row.Kind == "publication" || row.Kind == "subscription" {
		row.Cluster = ""
	}
	return row
}

// earlier answers the name that repltool gave to the object at that address when it
// made it in that database, where the topology has given it another one since.
func (s *scope) earlier(kind string, of topology.Address, database, name string) string {
	for _, m := range s.managed(kind) {
		if m.address == s.row(of) && m.in == database && m.name != name {
			return m.name
		}
	}
	return ""
}

// writeName writes the object's name of today into its row.
func (s *scope) writeName(d *draft, kind string, of topology.Address, database, name string) {
	d.sql(s.cluster.Primary, "write its name down", record(row{s.row(of), object{kind, name, database}}))
}

// goneAddress is the address of what leaves: beside that of what takes its place, if
// something does (a database of another name).
func (s *scope) goneAddress(m row) topology.Address {
	id := s.addressOfRow(m.address)
	if slices.Contains(blocks(s.topology), id) {
		return id.With(topology.PartEarlier)
	}
	return id
}

// member tells whether a table belongs to the publication, by itself, by its
// schema, or by a partitioned table above it.
func member(p *topology.Publication, t *facts.Table) bool {
	return p.Covers(t.Table) || slices.ContainsFunc(t.Parents, p.Covers)
}

// atLeast tells whether the cluster's primary has, or will have, that version.
func (s *scope) atLeast(version int) bool { return s.major() >= version }

// major is the version of the cluster's primary.
func (s *scope) major() int {
	switch p := s.primary(); {
	case p.Server != nil:
		return p.Server.Major()
	case p.Host != nil:
		return p.Host.Version
	}
	return s.cluster.Version
}

// kept answers the elements of a list of which keep is true.
func kept[T any](list []T, keep func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(list), func(x T) bool { return !keep(x) })
}

// without answers what of a list is not in another one.
func without[T comparable](list, other []T) []T {
	return slices.DeleteFunc(slices.Clone(list), func(x T) bool { return slices.Contains(other, x) })
}

func sameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}
