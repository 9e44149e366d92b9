package doctor

import (
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/words"
)

// notSent reports publications that send less than the topology has: the changes that they leave
// out are lost to the subscriber, and are not sent once they send more.
func notSent(v *cluster.Subscription, out *Findings) {
	less := v.NotSent()
	if len(less) == 0 {
		return
	}
	here, there := v.Scope.Leading().Name, v.Source.Leading().Name
	out.report(Finding{
		Code: "changes_not_sent", Severity: Warning, Address: v.Address(), Node: there, Fix: "Apply, then compare the rows of these tables with those on " + there + ". Where they differ: " + strings.TrimPrefix(v.CopyAgain(), "To fix: "),
		Evidence: view("pg_publication and pg_publication_rel", there),
	}, "%s: %s. Changes that its publications leave out are missing on %s, and are not sent once they send more. Since when they send less, and whether there were such changes, cannot be read from the servers",
		v.Is.Name, words.Few(less), here)
}

// unlogged reports published tables that a subscription has and that were made unlogged.
func unlogged(v *cluster.Subscription, out *Findings) {
	tables := v.Unlogged()
	if len(tables) == 0 {
		return
	}
	here, there := v.Scope.Leading().Name, v.Source.Leading().Name
	out.report(Finding{
		Code: "published_table_unlogged", Severity: Error, Address: v.Address(), Node: there, Evidence: view("pg_class", there),
		Fix: "Apply: the subscription no longer has it. On " + here + ", delete the rows that it copied from " + words.FewTables(tables) + " (all, if nothing else writes to it). On " + there + " in database " +
			pg.Ident(v.SourceDatabase()) + ", run ALTER TABLE " + cluster.TableIdent(tables[0]) + " SET LOGGED; and apply again: it is copied.",
	}, "%s: unlogged on %s: %s. Changes of an unlogged table are not written to WAL, so none is sent to %s, and those made meanwhile are not sent later", v.Is.Name, there, words.FewTables(tables), here)
}
