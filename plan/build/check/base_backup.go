package check

import (
	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// A base backup from a standby is refused by the server where a crash of the copy could not
// be recovered from; that is found before the old standby is stopped. What holds
// for every server, its WAL senders and its wal_level, is in limits.go. That a standby has
// paused its replay is no reason: it serves a base backup, and what it has received.

// checkServes refuses to clone from an upstream that is not known to serve a base backup.
func checkServes(s *cluster.Cluster, sb *topology.Standby, out *draft.Findings) {
	up := sb.Upstream
	if s.Decision(up) == cluster.Unknown && s.Live() != nil {
		out.Fail(s.RangeOf(sb.Node), "Upstream not read",
			"%s is to be cloned from %s, which could not be read: whether a base backup can be taken there is unknown. Nothing is "+
				"stopped or copied. Plan again once %s can be read, or set another upstream of %s.", sb.Node.Name, up.Name, up.Name, sb.Node.Name)
		return
	}
	checkFullPages(s, sb, out)
}

// checkFullPages refuses a base backup from a standby whose primary writes no full pages: a
// page that is copied while it is written is repaired only by the WAL of the primary
// (PostgreSQL docs, 26.3 "Continuous Archiving and Point-in-Time Recovery").
func checkFullPages(s *cluster.Cluster, sb *topology.Standby, out *draft.Findings) {
	const name = "full_page_writes"
	up, p := sb.Upstream, s.Now.Leader
	if s.Live() == nil || up == p || s.Recloned(up) {
		return
	}
	now, then := s.Live().InForce(name), s.WillHave(p, name)
	switch {
	case then == "off":
		out.Fail(s.RangeOfParameter(p, name), "Full pages not written",
			"%s is to be cloned from %s, a standby, and %s has %s = off: PostgreSQL takes no base backup from a standby then. Set "+
				"%s = on there, apply, and run CHECKPOINT on %s and then on %s; or set the upstream of %s to %s.",
			sb.Node.Name, up.Name, p.Name, name, name, p.Name, up.Name, sb.Node.Name, p.ID)
	case now == "off":
		out.Fail(s.RangeOfParameter(p, name), "Full pages not written",
			"%s is to be cloned from %s, a standby, and %s has %s = off until this plan changes it: PostgreSQL takes no base backup "+
				"from a standby before its next restartpoint after that. Apply without the clone first, then run CHECKPOINT on %s "+
				"and then on %s; or set the upstream of %s to %s.",
			sb.Node.Name, up.Name, p.Name, name, p.Name, up.Name, sb.Node.Name, p.ID)
	case replaysUnsafe(s, up):
		out.Fail(s.RangeOfParameter(p, name), "Full pages not written",
			"%s is to be cloned from %s, a standby, and %s had %s = off at the last checkpoint that %s has replayed: PostgreSQL takes no "+
				"base backup from a standby before it has replayed a later one. Run CHECKPOINT on %s and plan again once %s has replayed "+
				"it; or set the upstream of %s to %s.",
			sb.Node.Name, up.Name, p.Name, name, up.Name, p.Name, up.Name, sb.Node.Name, p.ID)
	}
}

// replaysUnsafe reports whether a base backup from a standby would start at a checkpoint of the
// primary without full pages. The backup makes a restartpoint of its own, at the last checkpoint
// that was replayed: that of the standby's control file counts only where replay is held back.
func replaysUnsafe(s *cluster.Cluster, up *topology.Node) bool {
	server := s.Found(up).Server
	return s.Live().PagesUnsafe || server != nil && server.PagesUnsafe && s.HoldsBack(up)
}
