package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/topology"
)

// A publication and a subscription know a table by its OID, and the two sides find each other
// by its name: one that is renamed on the publisher stays published, under its new name, and
// the subscriber looks for that one (PostgreSQL docs, 29.1 "Publication", 29.2 "Subscription").

// unlisted are the tables that the publication has and the topology does not list.
func unlisted(p *topology.Publication, is *facts.Publication) []topology.TableName {
	return list.Without(names(is.Tables), names(p.Tables))
}

func names(tables []topology.PublishedTable) []topology.TableName {
	var all []topology.TableName
	for _, t := range tables {
		all = append(all, t.Table)
	}
	return all
}

// lost are the listed tables that the publisher does not have.
func lost(p *topology.Publication, found *facts.Logical) []topology.TableName {
	return list.Kept(names(p.Tables), func(t topology.TableName) bool { return found.Table(t) == nil })
}

// perhapsRenamed says what to do if the table that is gone was renamed; "" where the publication
// has none that it could be now.
func perhapsRenamed(s *cluster.Cluster, p *topology.Publication, gone topology.TableName, found *facts.Logical) string {
	is := found.Publication(p.Name)
	if is == nil {
		return ""
	}
	now := unlisted(p, is)
	if len(now) == 0 {
		return ""
	}
	said := fmt.Sprintf(" Publication %s has %s, not listed in the topology: a table that is renamed stays published, under its new name.",
		pg.Ident(p.Name), words.FewTables(now))
	if len(now) > 1 || len(lost(p, found)) > 1 {
		return said + fmt.Sprintf(" If %s is one of them now, rename it for its subscriptions as well (ALTER TABLE … RENAME TO …): they stop at its next change, "+
			"or leave out its changes where another table has the new name. Then write its new name in %s.", gone, p.ID)
	}
	return said + fmt.Sprintf(" If %s was renamed, write %s in its place in %s.%s", gone, now[0], p.ID, renameThere(s, p, gone, now[0]))
}

// tableRenamed reports whether a publication may have a table under another name than the topology:
// by that name it would be one for the subscription to leave, or one to copy. The publication has
// the error.
func tableRenamed(v *cluster.Subscription) bool {
	return v.Source != nil && v.Remote != nil && slices.ContainsFunc(v.Publications, func(p *topology.Publication) bool {
		is := v.Remote.Publication(p.Name)
		return is != nil && len(lost(p, v.Remote)) > 0 && len(unlisted(p, is)) > 0
	})
}

// renameThere says how subscribers follow the new name of a table.
func renameThere(s *cluster.Cluster, p *topology.Publication, was, is topology.TableName) string {
	var said strings.Builder
	for _, sub := range s.Subscribers() {
		v, unknown := s.SubscriptionOf(sub)
		if unknown || !slices.Contains(sub.Publications, p) || !slices.Contains(v.Subscribed(), was) {
			continue
		}
		fmt.Fprintf(&said, " Before that, on %s in database %s, run %s %s stops at the next change of the table until then, and leaves out its changes if "+
			"there is another table %s.", v.Scope.Leading().Name, pg.Ident(v.Database), cluster.RenameTableSQL(was, is), sub.ID, is)
	}
	return said.String()
}
