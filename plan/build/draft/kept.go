package draft

import (
	"fmt"
	"slices"

	"github.com/repltool/repltool/doctor"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/words"
)

// keptObject is something that left the topology and that stays.
type keptObject struct{ who, hint, what string }

// Keep notes that it stays, and for whom.
func (f *Findings) Keep(u cluster.User, format string, args ...any) {
	o := keptObject{u.Who, u.Hint, fmt.Sprintf(format, args...)}
	if !slices.Contains(f.kept, o) {
		f.kept = append(f.kept, o)
	}
}

// ReportKept reports what stays, once for each user.
func ReportKept(s *cluster.Cluster, out *Findings) {
	what := map[string][]string{}
	for _, o := range out.kept {
		what[o.who] = append(what[o.who], o.what)
	}
	for _, o := range out.kept {
		list := what[o.who]
		if list == nil {
			continue
		}
		delete(what, o.who)
		n := len(list)
		out.Report(doctor.Finding{
			Code: "undefined_object_in_use", Severity: doctor.Warning, Address: s.Cluster.Address(), Node: s.Leading().Name,
			Evidence: "the ledger, the catalogs and connections on " + s.Leading().Name, Fix: o.hint,
		}, "%s on %s, not defined in the topology any more, %s: %s %s",
			pg.Join(list...), s.Leading().Name, words.Plural(n, "stays", "stay"), o.who, words.Plural(n, "it", "them"))
	}
}
