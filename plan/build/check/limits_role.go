package check

import (
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// A role's CONNECTION LIMIT counts its ordinary sessions. WAL senders it neither counts nor
// refuses, so that standbys, base backups and subscriptions are free of it; but a standby that
// copies logical slots keeps an ordinary session on the primary, as the replication role, and
// is refused beyond the limit (PostgreSQL docs, 47.2.3 "Replication Slot Synchronization").

// checkConnections refuses a limit of the replication role below the sessions of the standbys
// that copy slots.
func checkConnections(s *cluster.Cluster, out *draft.Findings) {
	role := s.Cluster.Replication.Role
	if role == nil || role.Superuser {
		return
	}
	limit, names := role.ConnectionLimit, copySlots(s)
	if found := s.Live().Role(role.Name); found != nil && s.Ignores(role.Lifecycle, "role", "connection_limit") {
		limit = found.ConnectionLimit
	}
	if limit < 0 || len(names) <= limit {
		return
	}
	out.Fail(role.Range, "Connection limit too low",
		"Role %s may have %s on %s, and %s (%s) with sync_replication_slots = on need one each to "+
			"copy logical slots: one that is refused copies none. Set in role %q of %s\n  connection_limit = %d",
		pg.Ident(role.Name), words.Counted(limit, "session"), s.Goal.Primary.Name, words.Counted(len(names), "standby"), strings.Join(names, ", "), role.Name, s.Cluster.ID, len(names))
}

// copySlots names the standbys that copy the slots of the primary once the plan is done.
func copySlots(s *cluster.Cluster) []string {
	var names []string
	for _, sb := range s.Cluster.Standbys {
		if sb.Upstream == s.Goal.Primary && copiesSlots(s, sb.Node) {
			names = append(names, sb.Node.Name)
		}
	}
	return names
}

func copiesSlots(s *cluster.Cluster, n *topology.Node) bool {
	const name = "sync_replication_slots"
	return s.FailsOver() || s.AtLeast(17) && cluster.Same(facts.Setting{VarType: "bool"}, s.WillHave(n, name), "on")
}
