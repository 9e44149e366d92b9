package topology

import (
	"path/filepath"
	"slices"
	"strings"
)

// checkEmpty refuses a topology without a cluster: nothing would be compared, and every
// command would report that all is in sync. A file that was emptied or generated from no
// data looks like that.
func (e *evaluator) checkEmpty() {
	declared := e.decls.names("cluster")
	unknown := func(name string) bool { return !e.values["cluster."+name].IsKnown() }
	if len(e.top.Clusters) > 0 || e.diags.HasErrors() || slices.ContainsFunc(declared, unknown) {
		return
	}
	if len(declared) > 0 {
		d := problem(e.decls.byAddress["cluster."+declared[0]].at, "Topology without clusters",
			"for_each of cluster.%s has no elements and no other cluster is declared, so there is nothing to compare "+
				"with the servers. Give for_each at least one element. To stop managing the clusters, stop running repltool "+
				"for this directory.", declared[0])
		e.add(d)
		return
	}
	var files []string
	for _, path := range e.src.topology {
		files = append(files, filepath.Base(path))
	}
	e.add(failure("Topology without clusters",
		"There is no cluster block in %s (%s), so there is nothing to compare with the servers. Check whether a file "+
			"was emptied, or generated from no data. Declare a cluster, or write a starter topology in a new directory "+
			"with:\n  repltool init",
		e.dir, strings.Join(files, ", ")))
}
