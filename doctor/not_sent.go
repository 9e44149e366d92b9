package doctor

import (
	"github.com/repltool/repltool/cluster"
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
		Code: "changes_not_sent", Severity: Warning, Address: v.Address(), Node: there, Fix: "Apply, then compare the rows of these tables with those on " + there + ". Where they differ, copy them again. " + v.CopyAgain(),
		Evidence: view("pg_publication and pg_publication_rel", there),
	}, "%s: %s. Changes that its publications leave out are missing on %s, and are not sent once they send more. Since when they send less, and whether there were such changes, cannot be read from the servers",
		v.Is.Name, words.Few(less), here)
}
