package plan

import (
	"slices"
	"strings"

	"github.com/repltool/repltool/providers/facts"
	"github.com/repltool/repltool/topology"
)

// What logical replication's kinds share: a publication and a subscription stand on
// their cluster's primary, each in a database, and a subscription looks at two
// clusters at once.

// of answers the scope of another cluster of the same topology.
func (s *scope) of(c *topology.Cluster) *scope {
	if c == s.cluster {
		return s
	}
	return &scope{topology: s.topology, cluster: c, facts: s.facts, replace: s.replace, targets: s.targets}
}

// publications answers those of this cluster.
func (s *scope) publications() []*topology.Publication {
	var all []*topology.Publication
	for _, p := range s.topology.Publications {
		if p.Cluster == s.cluster {
			all = append(all, p)
		}
	}
	return all
}

// subscriptions answers those of this cluster.
func (s *scope) subscriptions() []*topology.Subscription {
	var all []*topology.Subscription
	for _, sub := range s.topology.Subscriptions {
		if sub.Cluster == s.cluster {
			all = append(all, sub)
		}
	}
	return all
}

// subscribers answers the subscriptions that this cluster publishes to.
func (s *scope) subscribers() []*topology.Subscription {
	var all []*topology.Subscription
	for _, sub := range s.topology.Subscriptions {
		if sub.Publisher() == s.cluster {
			all = append(all, sub)
		}
	}
	return all
}

// subscriptionAddresses are those of every subscription, wanted or on its way out.
func (s *scope) subscriptionAddresses() []string {
	var all []string
	for _, sub := range s.topology.Subscriptions {
		all = append(all, sub.ID)
	}
	for _, c := range s.topology.Clusters {
		for _, m := range s.of(c).managed("subscription") {
			all = append(all, s.of(c).goneAddress(m))
		}
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
	for _, database := range s.logicalDatabases() {
		if _, unknown := s.logical(database); unknown {
			return true
		}
	}
	return false
}

func (s *scope) logicalDatabases() []string {
	set := map[string]bool{}
	for _, p := range s.publications() {
		set[p.Database] = true
	}
	for _, sub := range s.subscriptions() {
		set[sub.Database] = true
	}
	return sortedKeys(set)
}

// readDatabases are those whose logical replication was read, in order.
func (s *scope) readDatabases() []string {
	if s.live() == nil {
		return nil
	}
	var all []string
	for name, found := range s.live().Logical {
		if found != nil && found.Error == nil {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// row is the key in the ledger of a publication or a subscription: unlike its
// address it begins with the cluster's, in whose ledger it stands.
func (s *scope) row(id string) string { return s.cluster.ID + "." + id }

// addressOfRow is the way back.
func (s *scope) addressOfRow(row string) string { return strings.TrimPrefix(row, s.cluster.ID+".") }

// earlier answers the name that repltool gave to the object at that address when it
// made it in that database, where the topology has given it another one since.
func (s *scope) earlier(kind, id, database, name string) string {
	for _, m := range s.managed(kind) {
		if m.address == s.row(id) && m.in == database && m.name != name {
			return m.name
		}
	}
	return ""
}

// writeName writes the object's name of today into its row.
func (s *scope) writeName(d *draft, kind, id, database, name string) {
	d.sql(s.cluster.Primary, "write its name down", intend(row{s.row(id), object{kind, name, database}}))
}

// goneAddress is the address of what leaves: beside that of what takes its place, if
// something does (a database of another name).
func (s *scope) goneAddress(m row) string {
	id := s.addressOfRow(m.address)
	for _, p := range s.topology.Publications {
		if p.ID == id {
			return id + ".earlier"
		}
	}
	for _, sub := range s.topology.Subscriptions {
		if sub.ID == id {
			return id + ".earlier"
		}
	}
	return id
}

// tableIdent writes a table for SQL.
func tableIdent(t topology.TableName) string { return ident(t.Schema) + "." + ident(t.Name) }

func tableIdents(tables []topology.TableName) string {
	var all []string
	for _, t := range tables {
		all = append(all, tableIdent(t))
	}
	return strings.Join(all, ", ")
}

func idents(names []string) string {
	var all []string
	for _, n := range names {
		all = append(all, ident(n))
	}
	return strings.Join(all, ", ")
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

func sameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}
