package plan

import (
	"slices"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// A table that moves from one publication to another is in both for a while: a row
// written while it is in neither, or only in one that a subscription does not list
// yet, is never sent. So the old publication lets go of it last, when the new one has
// it and every subscription lists that. Whoever subscribes to both sees the rows once.

func movedAddress(p *topology.Publication) topology.Address {
	return p.Address().With(topology.PartMoved)
}

// move is the part of a publication that it is to lose and others are to have.
type move struct {
	topology.Publication
	to []*topology.Publication
}

func (s *scope) move(p *topology.Publication) move {
	var m move
	found, _ := s.logical(p.Database)
	is := found.Publication(p.Name)
	if is == nil || is.AllTables || p.AllTables {
		return m
	}
	takes := func(part topology.Publication) bool {
		takers := s.takers(p, found, part)
		for _, q := range takers {
			if !slices.Contains(m.to, q) {
				m.to = append(m.to, q)
			}
		}
		return len(takers) > 0
	}
	for _, t := range is.Tables {
		if !p.Lifecycle.Ignores("tables") && p.Table(t.Table) == nil && takes(topology.Publication{Tables: []topology.PublishedTable{t}}) {
			m.Tables = append(m.Tables, t)
		}
	}
	for _, schema := range without(is.Schemas, p.Schemas) {
		if !p.Lifecycle.Ignores("schemas") && takes(topology.Publication{Schemas: []string{schema}}) {
			m.Schemas = append(m.Schemas, schema)
		}
	}
	return m
}

// without answers the publication as it is but for what moves.
func (m move) without(is *facts.Publication) *facts.Publication {
	rest := *is
	rest.Tables = kept(is.Tables, func(t topology.PublishedTable) bool { return m.Table(t.Table) == nil })
	rest.Schemas = without(is.Schemas, m.Schemas)
	return &rest
}

// takers answers the other publications that are to have a table of that part of p
// which p will not have.
func (s *scope) takers(p *topology.Publication, found *facts.Logical, part topology.Publication) []*topology.Publication {
	var all []*topology.Publication
	for _, q := range s.publications() {
		takes := func(t facts.Table) bool { return member(&part, &t) && !member(p, &t) && member(q, &t) }
		if q != p && q.Database == p.Database && slices.ContainsFunc(found.Tables, takes) {
			all = append(all, q)
		}
	}
	return all
}

// keeps tells whether a subscription goes on with something that moves: it must list
// the other publication before this one lets go. One that does not lets go after it.
func (m move) keeps(sub *topology.Subscription) bool {
	return slices.ContainsFunc(m.to, func(q *topology.Publication) bool { return slices.Contains(sub.Publications, q) })
}

// moved takes away what moved to other publications.
func (s *scope) moved(p *topology.Publication, out *findings) {
	m := s.move(p)
	if len(m.to) == 0 {
		return
	}
	d := newDraft(Update, movedAddress(p), s.cluster.Primary)
	d.Reason = "another publication has it by now"
	d.after = append(s.databaseAddresses(p.Database), p.Address())
	for _, q := range m.to {
		s.checkBoth(p, q, m, out)
		d.after = append(d.after, q.Address())
	}
	for _, sub := range s.subscribers() {
		if !m.keeps(sub) {
			continue
		}
		d.after = append(d.after, sub.Address())
		if until := s.notYet(sub, m); until != "" {
			out.tellDrift(d.Address, s.cluster.Primary.Name, "what moved to %s stays here too until %s", m.to[0].ID, until)
			return
		}
	}
	name, rest, part := "ALTER PUBLICATION "+ident(p.Name), &topology.Publication{}, &facts.Publication{Publication: m.Publication}
	tables, _ := alterTables(d, rest, part, nil, name)
	schemas, _ := alterSchemas(d, rest, part, name)
	d.sqlIn(s.cluster.Primary, p.Database, "let go", append(tables, schemas...)...)
	out.put(d)
}

// notYet says what keeps a subscription from listing what takes over, or "".
func (s *scope) notYet(sub *topology.Subscription, m move) string {
	local, unknown := s.of(sub.Cluster).logical(sub.Database)
	is := local.Subscription(sub.Name)
	unlisted := func(q *topology.Publication) bool {
		return slices.Contains(sub.Publications, q) && !slices.Contains(is.Publications, q.Name)
	}
	switch {
	case unknown:
		return sub.Cluster.Primary.Name + " can be read"
	case is != nil && !sub.Options.Enabled && slices.ContainsFunc(m.to, unlisted):
		return sub.ID + " is enabled and lists it"
	}
	return ""
}

// checkBoth refuses to move a table with other columns past a subscription to both:
// PostgreSQL stops at one that it is sent with two lists of columns.
func (s *scope) checkBoth(p, q *topology.Publication, m move, out *findings) {
	both := slices.ContainsFunc(s.subscribers(), func(sub *topology.Subscription) bool {
		return slices.Contains(sub.Publications, p) && slices.Contains(sub.Publications, q)
	})
	if !both {
		return
	}
	for _, t := range q.Tables {
		if old := m.Table(t.Table); old != nil && !sameSet(old.Columns, t.Columns) {
			out.fail(t.Range, "Table moves with other columns",
				"%s: %s moves here from %s, is in both for a moment, and PostgreSQL sends no table with two lists of columns. Move it with the columns that it has (%s), apply, then change them.",
				q.ID, t.Table, p.ID, memberText(topology.PublishedTable{Columns: old.Columns}))
		}
	}
}

// checkRemake refuses to make a publication of all tables anew, with fewer, before
// those publications that take over from it are in use: it cannot let go last.
func (s *scope) checkRemake(p *topology.Publication, is *facts.Publication, found *facts.Logical, out *findings) {
	if !is.AllTables || p.AllTables {
		return
	}
	for _, q := range s.takers(p, found, topology.Publication{AllTables: true}) {
		if !s.inUse(q, found) {
			out.fail(p.Range, "A publication must be in use first",
				"%s lets go of tables that %s takes over, and a change in between would reach no subscriber. Leave all_tables = true here, apply %s and its subscriptions, then take it out.", p.ID, q.ID, q.ID)
		}
	}
}

// inUse tells whether a publication is as wanted, and listed by all who are to list it.
func (s *scope) inUse(q *topology.Publication, found *facts.Logical) bool {
	is := found.Publication(q.Name)
	if is == nil || !slices.Equal(found.Published(&is.Publication), found.Published(q)) {
		return false
	}
	return !slices.ContainsFunc(s.subscribers(), func(sub *topology.Subscription) bool {
		local, _ := s.of(sub.Cluster).logical(sub.Database)
		there := local.Subscription(sub.Name)
		return slices.Contains(sub.Publications, q) && (there == nil || !slices.Contains(there.Publications, q.Name))
	})
}
