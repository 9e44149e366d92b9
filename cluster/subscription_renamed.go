package cluster

import (
	"fmt"
	"slices"

	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/topology"
)

// A subscription has its tables by OID, and finds the one that a change is for by its name: where
// the subscriber's table was renamed, it stops at the next change, or, where another table has
// the name, skips the changes without an error, since it does not have that table, or applies
// them to it: a worker that has had a change of the table keeps that it was ready (PostgreSQL
// docs, 29.2 "Subscription"; logicalrep_rel_open in its source).

// RenamedTable is a published table that the subscriber seems to have under another name.
type RenamedTable struct {
	Published topology.TableName
	Now       []topology.TableName // one of these
	Taken     bool                 // another table of the subscriber has the name
}

// RenamedTables returns the tables that are published and that it does not have, where it has
// others in their place: with their columns, and of a name that the publisher does not know.
func (v *Subscription) RenamedTables() []RenamedTable {
	if v.Is == nil || v.Source == nil || v.Remote == nil || v.Local == nil {
		return nil
	}
	now, ok := v.publishedNow()
	if !ok {
		return nil
	}
	has := v.Subscribed()
	gone := list.Kept(list.Without(has, now), func(t topology.TableName) bool { return v.Remote.Table(t) == nil && v.Local.Table(t) != nil })
	var all []RenamedTable
	for _, name := range list.Without(now, has) {
		fits := list.Kept(gone, func(t topology.TableName) bool {
			return !slices.ContainsFunc(v.TableMismatches(name, v.Local.Table(t)), func(m Mismatch) bool { return m.Kind <= MismatchedType })
		})
		if len(fits) > 0 {
			all = append(all, RenamedTable{Published: name, Now: fits, Taken: v.Local.Table(name) != nil})
		}
	}
	return all
}

// RenameBack says how a table gets the name back by which it is published.
func (v *Subscription) RenameBack(t RenamedTable) string {
	here := fmt.Sprintf("on %s in database %s", v.Scope.Leading().Name, pg.Ident(v.Database))
	if len(t.Now) > 1 {
		return fmt.Sprintf("rename the one of %s that is %s back (ALTER TABLE … RENAME TO …), %s", words.FewTables(t.Now), t.Published, here)
	}
	return "run " + RenameTableSQL(t.Now[0], t.Published) + " " + here
}
