package cluster

import (
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/topology"
)

// In a chain a → b → c, one plan may create on b the tables that b lacks (copy_schema), and
// b publishes them to c from then on. So c's part of the plan reads b as it will be: it
// compares, grants and copies these tables too, and c has them before b receives their
// rows: a table that is published and does not exist on c would stop c for good.

// comes returns what a database holds once this plan has created the tables that its
// subscriptions lack. seen are the databases that asked, from the end of the chain.
func (s *Cluster) comes(database string, seen []*facts.Logical) (found *facts.Logical, unknown bool) {
	found, unknown = s.Logical(database)
	if found == nil || slices.Contains(seen, found) {
		return found, unknown
	}
	seen = append(seen, found)
	var tables []facts.Table
	for _, u := range s.CreatesTables(database) {
		from, _ := s.Of(u.Publisher()).comes(u.SourceDatabase(), seen)
		for _, p := range u.Publications {
			for _, name := range from.Published(p) {
				same := func(t facts.Table) bool { return t.Table == name }
				if found.Table(name) == nil && !slices.ContainsFunc(tables, same) {
					tables = append(tables, *from.Table(name))
				}
			}
		}
	}
	if tables == nil {
		return found, unknown
	}
	will := *found
	will.Tables = slices.Concat(found.Tables, tables)
	return &will, unknown
}

// CreatesTables returns the subscriptions of a database that create tables in this plan.
func (s *Cluster) CreatesTables(database string) []*topology.Subscription {
	var all []*topology.Subscription
	for _, sub := range s.Subscriptions() {
		local, _ := s.Logical(database)
		if sub.Database == database && sub.Publisher() != nil && sub.CopySchema == topology.CopySchemaMissing && local != nil && local.Definitions[sub.ID].SQL != "" {
			all = append(all, sub)
		}
	}
	return all
}

// TablesToCome are the addresses of the creation of such tables on the publisher.
func (v *Subscription) TablesToCome() []topology.Address {
	if v.Source == nil {
		return nil
	}
	var all []topology.Address
	for _, u := range v.Source.CreatesTables(v.SourceDatabase()) {
		all = append(all, u.Address().With(topology.PartTables))
	}
	return all
}

// TablesBeyond are the addresses of the creation of tables further down the chain, which
// come before the rows of this subscription.
func (v *Subscription) TablesBeyond() []topology.Address {
	if v.Definition().SQL == "" {
		return nil
	}
	var all []topology.Address
	for _, next := range v.Scope.Subscribers() {
		if next.SourceDatabase() == v.Database && next.ID != v.ID {
			all = append(all, next.Address().With(topology.PartTables))
		}
	}
	return all
}

// definitionFrom returns the definition by which the publisher's own tables are created in
// this plan, where the subscriber is to have all of them and lacks no others.
func (v *Subscription) definitionFrom() facts.Definition {
	creates := v.Source.CreatesTables(v.SourceDatabase())
	now, _ := v.Source.Logical(v.SourceDatabase())
	if len(creates) == 0 || now == nil || v.Remote == nil {
		return facts.Definition{}
	}
	var come, missing []topology.TableName
	for _, t := range v.Remote.Tables[len(now.Tables):] {
		come = append(come, t.Table)
	}
	for _, name := range v.PublishedTables() {
		if v.Local.Table(name) == nil {
			missing = append(missing, name)
		}
	}
	if len(list.Without(come, missing))+len(list.Without(missing, come)) > 0 {
		return facts.Definition{}
	}
	var parts []string
	for _, u := range creates {
		parts = append(parts, now.Definitions[u.ID].SQL)
	}
	return facts.Definition{SQL: strings.Join(parts, "\n")}
}
