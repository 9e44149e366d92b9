package cluster

import (
	"slices"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/topology"
)

// Remakes reports whether the publication must be dropped and created again.
func Remakes(p *topology.Publication, is *facts.Publication) bool {
	return is.AllTables != p.AllTables && !p.Lifecycle.Ignores("all_tables")
}

// SameMember reports whether a table is published as wanted.
func SameMember(p *topology.Publication, is, want topology.PublishedTable, filters []facts.Filter) bool {
	if !list.SameSet(is.Columns, want.Columns) {
		return false
	}
	if is.Where == want.Where {
		return true
	}
	return slices.ContainsFunc(filters, func(f facts.Filter) bool {
		return f.Publication == p.ID && f.Table == want.Table && f.Where == want.Where && f.Same
	})
}

// Receives reports whether a subscription of the publication has that table.
func (s *Cluster) Receives(p *topology.Publication, name topology.TableName) bool {
	return slices.ContainsFunc(s.Subscribers(), func(sub *topology.Subscription) bool {
		v, unknown := s.SubscriptionOf(sub)
		return !unknown && slices.Contains(sub.Publications, p) && slices.Contains(v.Subscribed(), name)
	})
}

// DatabaseAddresses are what must be in order before a database is used.
func (s *Cluster) DatabaseAddresses(database string) []topology.Address {
	p := s.Goal.Primary
	return append(s.Basis(p), s.NodeAddress(p), s.Address("database", database))
}

func MovedAddress(p *topology.Publication) topology.Address {
	return p.Address().With(topology.PartMoved)
}

// Move is the part of a publication that it is to lose and others are to have.
type Move struct {
	topology.Publication
	To []*topology.Publication
}

func (s *Cluster) Move(p *topology.Publication) Move {
	var m Move
	found, _ := s.Logical(p.Database)
	is := found.Publication(p.Name)
	if is == nil || is.AllTables || p.AllTables {
		return m
	}
	takes := func(part topology.Publication) bool {
		takers := s.Takers(p, found, part)
		for _, q := range takers {
			if !slices.Contains(m.To, q) {
				m.To = append(m.To, q)
			}
		}
		return len(takers) > 0
	}
	for _, t := range is.Tables {
		if !p.Lifecycle.Ignores("tables") && p.Table(t.Table) == nil && takes(topology.Publication{Tables: []topology.PublishedTable{t}}) {
			m.Tables = append(m.Tables, t)
		}
	}
	for _, schema := range list.Without(is.Schemas, p.Schemas) {
		if !p.Lifecycle.Ignores("schemas") && takes(topology.Publication{Schemas: []string{schema}}) {
			m.Schemas = append(m.Schemas, schema)
		}
	}
	return m
}

// Without returns the publication as it is but for what moves.
func (m Move) Without(is *facts.Publication) *facts.Publication {
	rest := *is
	rest.Tables = list.Kept(is.Tables, func(t topology.PublishedTable) bool { return m.Table(t.Table) == nil })
	rest.Schemas = list.Without(is.Schemas, m.Schemas)
	return &rest
}

// Takers returns the other publications that are to have a table of that part of p
// which p will not have.
func (s *Cluster) Takers(p *topology.Publication, found *facts.Logical, part topology.Publication) []*topology.Publication {
	var all []*topology.Publication
	for _, q := range s.Publications() {
		takes := func(t facts.Table) bool { return Member(&part, &t) && !Member(p, &t) && Member(q, &t) }
		if q != p && q.Database == p.Database && slices.ContainsFunc(found.Tables, takes) {
			all = append(all, q)
		}
	}
	return all
}

// Keeps reports whether a subscription continues with something that moves: it must list
// the other publication before this one lets go. One that does not lets go after it.
func (m Move) Keeps(sub *topology.Subscription) bool {
	return slices.ContainsFunc(m.To, func(q *topology.Publication) bool { return slices.Contains(sub.Publications, q) })
}

// InUse reports whether a publication is as wanted, and listed by all who are to list it.
func (s *Cluster) InUse(q *topology.Publication, found *facts.Logical) bool {
	is := found.Publication(q.Name)
	if is == nil || !slices.Equal(found.Published(&is.Publication), found.Published(q)) {
		return false
	}
	return !slices.ContainsFunc(s.Subscribers(), func(sub *topology.Subscription) bool {
		local, _ := s.Of(sub.Cluster).Logical(sub.Database)
		there := local.Subscription(sub.Name)
		return slices.Contains(sub.Publications, q) && (there == nil || !slices.Contains(there.Publications, q.Name))
	})
}
