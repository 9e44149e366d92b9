package draft

import (
	"fmt"
	"slices"

	"github.com/repltool/repltool/doctor"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/topology"
)

// keptObject is something that left the topology and that stays.
type keptObject struct{ who, hint, on, what string }

// Keep notes that it stays on n, and for whom.
func (f *Findings) Keep(u cluster.User, n *topology.Node, format string, args ...any) {
	o := keptObject{u.Who, u.Hint, n.Name, fmt.Sprintf(format, args...)}
	if !slices.Contains(f.kept, o) {
		f.kept = append(f.kept, o)
	}
}

// ReportKept reports what stays, once for each user and node.
func ReportKept(s *cluster.Cluster, out *Findings) {
	type place struct{ who, on string }
	what := map[place][]string{}
	for _, o := range out.kept {
		at := place{o.who, o.on}
		what[at] = append(what[at], o.what)
	}
	for _, o := range out.kept {
		at := place{o.who, o.on}
		list := what[at]
		if list == nil {
			continue
		}
		delete(what, at)
		n := len(list)
		out.Report(doctor.Finding{
			Code: "undefined_object_in_use", Severity: doctor.Warning, Address: s.Cluster.Address(), Node: o.on,
			Evidence: "the ledger, the catalogs and connections on " + o.on, Fix: o.hint,
		}, "%s on %s, not defined in the topology any more, %s: %s %s",
			pg.Join(list...), o.on, words.Plural(n, "stays", "stay"), o.who, words.Plural(n, "it", "them"))
	}
}
