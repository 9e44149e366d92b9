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

// A role's CONNECTION LIMIT counts its ordinary sessions, and that of a database those in it.
// WAL senders are neither counted nor refused, so that standbys, base backups and subscriptions
// are free of it, except by the minor releases before February 2025; but a standby that copies
// logical slots keeps an ordinary session on the primary, as the replication role, and is
// refused beyond the limit (PostgreSQL docs, 47.2.3 "Replication Slot Synchronization").

// checkConnections refuses a limit of a role below the sessions of those that replicate as it,
// and reports one of a database below its subscriptions.
func checkConnections(s *cluster.Cluster, out *draft.Findings) {
	for _, role := range s.Cluster.Roles {
		checkRoleLimit(s, role, out)
	}
	if s.Live() != nil && s.Live().CountsSenders() {
		for _, db := range s.Live().Databases {
			checkDatabaseLimit(s, db, out)
		}
	}
}

func checkRoleLimit(s *cluster.Cluster, role *topology.Role, out *draft.Findings) {
	limit := role.ConnectionLimit
	if found := s.Live().Role(role.Name); found != nil && s.Ignores(role.Lifecycle, "role", "connection_limit") {
		limit = found.ConnectionLimit
	}
	if limit < 0 || role.Superuser {
		return
	}
	if s.Live() != nil && s.Live().CountsSenders() {
		if need := sendersAs(s, role); limit < need {
			out.Fail(role.Range, "Connection limit too low",
				"Role %s may have %s on %s, and %s need one each: standbys, subscriptions and their initial table copies, which PostgreSQL %s counts. Those beyond the limit are refused. Set in role %q of %s\n  connection_limit = %d",
				pg.Ident(role.Name), words.Counted(limit, "session"), s.Goal.Primary.Name, words.Counted(need, "WAL sender"), s.Live().Version, role.Name, s.Cluster.ID, need)
		}
		return
	}
	names := copySlots(s)
	if role != s.Cluster.Replication.Role || len(names) <= limit {
		return
	}
	out.Fail(role.Range, "Connection limit too low",
		"Role %s may have %s on %s, and %s (%s) with sync_replication_slots = on need one each to "+
			"copy logical slots: one that is refused copies none. Set in role %q of %s\n  connection_limit = %d",
		pg.Ident(role.Name), words.Counted(limit, "session"), s.Goal.Primary.Name, words.Counted(len(names), "standby"), strings.Join(names, ", "), role.Name, s.Cluster.ID, len(names))
}

// sendersAs counts what connects to the primary as a role: each standby, of one that is cloned
// two, each enabled subscription, one for their copies, and each copy of slots.
func sendersAs(s *cluster.Cluster, role *topology.Role) int {
	need, copies := 0, 0
	if role == s.Cluster.Replication.Role {
		need = len(copySlots(s))
		for _, sb := range s.Cluster.Standbys {
			if sb.Upstream != s.Goal.Primary {
				continue
			}
			if need++; s.Recloned(sb.Node) {
				need++
			}
		}
	}
	for _, sub := range s.Subscribers() {
		if sub.Role == role && sub.Options.Enabled {
			need, copies = need+1, 1
		}
	}
	return need + copies
}

func checkDatabaseLimit(s *cluster.Cluster, db facts.Database, out *draft.Findings) {
	need := 1 // for a table's copy
	var first *topology.Subscription
	for _, sub := range s.Subscribers() {
		if sub.SourceDatabase() == db.Name && sub.Options.Enabled && !sub.Role.Superuser {
			if need++; first == nil {
				first = sub
			}
		}
	}
	if first == nil || db.ConnectionLimit == nil || *db.ConnectionLimit >= need {
		return
	}
	out.LiveState(true, s.Address("database", db.Name), func() {
		out.Fail(first.Range, "Connection limit too low",
			"Database %s on %s allows %s, and its subscriptions with their initial table copies need %d, which PostgreSQL %s counts: those beyond the limit are refused. On %s, run\n  ALTER DATABASE %s CONNECTION LIMIT -1;",
			pg.Ident(db.Name), s.Leading().Name, words.Counted(*db.ConnectionLimit, "connection"), need, s.Live().Version, s.Leading().Name, pg.Ident(db.Name))
	})
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
