package doctor

import (
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/words"
)

// tablesRenamed reports tables that the subscriber has under another name than the publisher.
func tablesRenamed(v *cluster.Subscription, out *Findings) {
	here := v.Scope.Leading().Name
	for _, t := range v.RenamedTables() {
		f := Finding{
			Code: "subscribed_table_renamed", Severity: Error, Address: v.Address(), Node: here, Evidence: view("pg_subscription_rel", here) + ", and pg_publication_rel on " + v.Source.Leading().Name,
			Fix: "If it is the same table, " + v.RenameBack(t) + ": replication then continues, and nothing is missing.",
		}
		effect := "it stops at the next change of " + t.Published.String()
		if t.Taken {
			effect = "there is another table " + t.Published.String() + ", for which its changes are skipped without an error, or into which they go if the worker has had one before"
			f.Fix = "Truncate " + t.Published.String() + " on " + here + " and apply: it is copied from the start, and " + words.FewTables(t.Now) + " is no longer replicated into, and keeps its rows. To keep that table instead, " +
				"rename the other one, " + v.RenameBack(t) + ", and copy it again, since changes are missing: " + strings.TrimPrefix(v.CopyOneAgain(t.Published), "To fix: ")
		}
		out.report(f, "%s: %s is published, and the subscription does not have it on %s, but %s with its columns, which is not published: if that is the same table under another name, %s", v.Is.Name, t.Published, here, words.FewTables(t.Now), effect)
	}
}
