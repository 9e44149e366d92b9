package doctor

import (
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/topology"
)

// Examine returns the states of a cluster that need attention: standbys that do not stream,
// lag and WAL beyond the thresholds, slots that are lost. Changes of the plan answer some of
// them; they are reported all the same, since an apply takes time.
func Examine(s *cluster.Cluster) Findings {
	out := &Findings{}
	reportApplies(s, out)
	reportLeaderless(s, out)
	for _, sb := range s.Cluster.Standbys {
		standbyHealth(s, sb, out)
	}
	syncHealth(s, out)
	lossHealth(s, out)
	slotsHealth(s, out)
	subscriptionHealth(s, out)
	for _, n := range s.Cluster.Members() {
		if s.Running(n) {
			slotHealth(s, n, out)
		}
		nodeHealth(s, n, out)
	}
	return *out
}

// reportApplies reports the applies that are at work: what differs may be their doing, and
// may be gone in a moment.
func reportApplies(s *cluster.Cluster, out *Findings) {
	if s.Live() == nil || s.InApply {
		return
	}
	n := s.Leading().Name
	for _, a := range s.Live().Applies {
		out.report(Finding{
			Code: "apply_in_progress", Severity: Warning, Address: s.ClusterAddress, Node: n,
			Evidence: view("pg_stat_activity", n),
			Fix:      "The differences may be its work in progress: check again when that apply has finished.",
		}, "an apply by %s is running on %s since %s", a.Who, n, a.Since)
	}
}

// reportLeaderless reports a cluster of which every member runs, as a standby. Where one is down
// that is reported with the node.
func reportLeaderless(s *cluster.Cluster, out *Findings) {
	var names []string
	for _, n := range s.Cluster.Members() {
		f := s.Found(n)
		if f.Server == nil || !f.Server.InRecovery {
			return
		}
		names = append(names, n.Name)
	}
	out.report(Finding{
		Code: "no_primary", Severity: Error, Address: s.ClusterAddress, Node: s.Leading().Name, Evidence: "pg_is_in_recovery() on every member",
		Fix: "Run repltool plan: it continues a move of the primary that was interrupted, or says what to do.",
	}, "no member of %s leads: %s are standbys, and accept no writes", s.Cluster.ID, strings.Join(names, ", "))
}

// lossHealth reports what is gone.
func lossHealth(s *cluster.Cluster, out *Findings) {
	if s.Live() == nil {
		return
	}
	primary := s.Leading()
	lost := func(code string, address topology.Address, n *topology.Node, l cluster.Loss) Finding {
		return Finding{
			Code: code, Severity: Error, Address: address, Node: n.Name,
			Evidence: view("the catalogs", n.Name) + ", and " + view("repltool.managed", primary.Name), Fix: l.Hint,
		}
	}
	for _, db := range s.Cluster.Databases {
		if l := s.LostDatabase(db); l.Was != "" {
			out.report(lost("database_lost", s.Address("database", db.Name), primary, l), "database %s no longer exists (%s): %s", pg.Ident(db.Name), l.Was, l.Cost)
		}
	}
	for _, w := range s.WantedSlots() {
		if l := s.LostSlot(w); l.Was != "" {
			out.report(lost("slot_dropped", s.Address("slot", w.Name), w.On, l), "slot %s no longer exists (%s): %s", pg.Ident(w.Name), l.Was, l.Cost)
		}
	}
	for _, p := range s.Publications() {
		if l := s.LostPublication(p); l.Was != "" {
			out.report(lost("publication_dropped", p.Address(), primary, l), "publication %s no longer exists (%s): %s", pg.Ident(p.Name), l.Was, l.Cost)
		}
		if l := s.LostMember(p); l.Was != "" {
			out.report(lost("publication_table_removed", p.Address(), primary, l), "publication %s lacks a table that it is to publish (%s): %s", pg.Ident(p.Name), l.Was, l.Cost)
		}
	}
}
