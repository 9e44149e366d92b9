package cluster

import (
	"slices"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/topology"
)

// Twins are enabled subscriptions of the same database that receive from the same one of its
// publisher, and that the topology does not define: of those that it defines, two that bring
// one table are refused.
func (v *Subscription) Twins() []*facts.Subscription {
	if v.Is == nil || v.Source == nil || v.Local == nil || !v.Is.Options.Enabled {
		return nil
	}
	var all []*facts.Subscription
	for i := range v.Local.Subscriptions {
		is := &v.Local.Subscriptions[i]
		if is == v.Is || !is.Options.Enabled || v.Scope.WantsSubscription(v.Database, is.Name) {
			continue
		}
		conn := conninfo.Map(is.ConnInfo.Reveal())
		at := func(one map[string]string) bool { n := v.Scope.nodeAt(one); return n != nil && v.Source.sameServer(n) }
		if conn["dbname"] == v.SourceDatabase() && slices.ContainsFunc(hostsOf(conn), at) {
			all = append(all, is)
		}
	}
	return all
}

// TablesShared returns the tables whose rows both bring, as far as their publications show.
// Of one that both filter it is not known.
func (v *Subscription) TablesShared(other *facts.Subscription) []topology.TableName {
	var all []topology.TableName
	for _, t := range other.Tables {
		if slices.Contains(v.Subscribed(), t.Table) && v.sendBoth(other.Publications, t.Table) {
			all = append(all, t.Table)
		}
	}
	return all
}

func (v *Subscription) sendBoth(names []string, table topology.TableName) bool {
	return slices.ContainsFunc(v.Is.Publications, func(mine string) bool {
		p := v.Remote.Publication(mine)
		return p != nil && slices.ContainsFunc(names, func(theirs string) bool {
			q := v.Remote.Publication(theirs)
			return q != nil && slices.ContainsFunc(p.Publish, q.Publishes) && !(filters(p, table) && filters(q, table))
		})
	})
}

func filters(p *facts.Publication, table topology.TableName) bool {
	t := p.Table(table)
	return t != nil && t.Where != ""
}
