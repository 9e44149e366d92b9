package cluster

import (
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/topology"
)

// What a publication does not send when a change is decoded is never sent: wider publications
// count from then on. So where publications send less than they are to, changes are being
// lost; when that began, and whether there were any, no server knows. Tables that left the
// publications are in subscription_table.go.

// NotSent says in what its publications send less of the tables that it has than they are to,
// such as "publish of publication orders lacks update".
func (v *Subscription) NotSent() []string {
	if v.Is == nil || v.Remade() || v.Source == nil || v.Remote == nil {
		return nil
	}
	type sender struct {
		*facts.Publication
		sends map[topology.TableName]bool
	}
	var senders []sender
	for _, listed := range v.Is.Publications {
		if p := v.Remote.Publication(listed); p != nil {
			senders = append(senders, sender{p, list.SetOf(v.Remote.Published(&p.Publication))})
		}
	}
	has, tables := list.SetOf(v.Subscribed()), v.Remote.TablesByName()
	var all []string
	for _, p := range v.Publications {
		is := v.Remote.Publication(p.Name)
		if is == nil {
			continue
		}
		wanted := withIgnored(p, is)
		for _, name := range v.Remote.Published(wanted) {
			var now []*facts.Publication
			for _, s := range senders {
				if s.sends[name] && has[name] {
					now = append(now, s.Publication)
				}
			}
			if len(now) > 0 {
				all = append(all, v.lessSent(wanted, tables[name], now)...)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// withIgnored is a publication as a plan leaves it.
func withIgnored(p *topology.Publication, is *facts.Publication) *topology.Publication {
	wanted := *p
	if p.Lifecycle.Ignores("publish") {
		wanted.Publish = is.Publish
	}
	if p.Lifecycle.Ignores("tables") {
		wanted.Tables = is.Tables
	}
	return &wanted
}

// lessSent compares what is to be sent of a table with what is.
func (v *Subscription) lessSent(p *topology.Publication, t *facts.Table, now []*facts.Publication) []string {
	var lacks []string
	for _, operation := range p.Publish {
		if !slices.ContainsFunc(now, func(q *facts.Publication) bool { return q.Publishes(operation) }) {
			lacks = append(lacks, operation)
		}
	}
	var all []string
	if len(lacks) > 0 {
		all = append(all, "publish of publication "+now[0].Name+" lacks "+strings.Join(lacks, ", "))
	}
	want := memberOf(p, t)
	whole := func(q *facts.Publication) bool { return v.sendsAll(p, want, memberOf(&q.Publication, t)) }
	if !slices.ContainsFunc(now, whole) {
		is := memberOf(&now[0].Publication, t)
		if len(is.Columns) > 0 && !list.SameSet(is.Columns, want.Columns) {
			all = append(all, "of "+t.Table.String()+" only "+strings.Join(is.Columns, ", ")+" are sent")
		}
		if is.Where != "" {
			all = append(all, "of "+t.Table.String()+" only rows are sent where "+is.Where)
		}
	}
	return all
}

// sendsAll reports whether a member as it is sends at least what the wanted one does. Of another
// filter that is not known.
func (v *Subscription) sendsAll(p *topology.Publication, want, is topology.PublishedTable) bool {
	columns := len(is.Columns) == 0 || len(want.Columns) > 0 && len(list.Without(want.Columns, is.Columns)) == 0
	where := is
	where.Columns = want.Columns
	return columns && (is.Where == "" || SameMember(p, where, want, v.Remote.Filters))
}

// memberOf returns the member by which a publication sends a table: itself or the topmost partitioned
// table above it; an empty one where that is all tables or a schema.
func memberOf(p *topology.Publication, t *facts.Table) topology.PublishedTable {
	for _, parent := range slices.Backward(t.Parents) {
		if m := p.Table(parent); m != nil {
			return *m
		}
	}
	if m := p.Table(t.Table); m != nil {
		return *m
	}
	return topology.PublishedTable{}
}

// Unlogged returns the tables that it has and that are unlogged on its publisher: FOR ALL TABLES and
// TABLES IN SCHEMA publish a table that is logged, and leave it out once it is not.
func (v *Subscription) Unlogged() []topology.TableName {
	if v.Is == nil || v.Source == nil || v.Remote == nil {
		return nil
	}
	tables := v.Remote.TablesByName()
	return list.Kept(v.Subscribed(), func(name topology.TableName) bool {
		t := tables[name]
		return t != nil && !t.Persistent && t.Kind == "r" && slices.ContainsFunc(v.Publications, func(p *topology.Publication) bool { return Member(p, t) })
	})
}
