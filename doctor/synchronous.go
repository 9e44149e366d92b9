package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/words"
)

// A synchronous set that fewer standbys than it asks for are connected to satisfy makes
// every commit wait, whoever wrote it (PostgreSQL docs, 27.2.8.3 "Planning for High
// Availability").

func syncHealth(s *cluster.Cluster, out *Findings) {
	value, primary := s.SyncCurrent(), s.Leading().Name
	if full := setAside(s, value); full != value && !s.InApply && len(s.Live().Applies) == 0 {
		out.report(Finding{
			Code: "synchronous_set_overridden", Severity: Error, Address: s.SyncAddress(), Node: primary,
			Evidence: view("pg_settings and repltool.managed", primary),
			Fix:      "Apply: that writes the previous value back once enough standbys stream.",
		},
			"%s is %s in place of %s, set by an apply that did not complete, or by hand: commits wait for fewer standbys", cluster.SyncNames, pg.Literal(value), pg.Literal(full))
	}
	set, ok := pg.ParseSync(value)
	if !ok || s.Live() == nil || len(set.Names) == 0 || !commitsWait(s) {
		return
	}
	streaming := cluster.Streaming(set, s.Live())
	if len(streaming) >= set.Number {
		return
	}
	there := "none of them is streaming"
	switch len(streaming) {
	case 0:
	case 1:
		there = "only " + streaming[0] + " is streaming"
	default:
		there = "only " + strings.Join(streaming, ", ") + " are streaming"
	}
	names := otherNames(s, set)
	out.report(Finding{
		Code: "commits_waiting", Severity: Error, Address: s.SyncAddress(), Node: primary,
		Evidence: view("pg_settings and pg_stat_replication", primary),
		Fix:      fmt.Sprintf("Start the standbys that it names, or run on %s: ALTER SYSTEM SET %s = ''; SELECT pg_reload_conf();%s", primary, cluster.SyncNames, names),
	}, "Commits on %s are waiting: %s is %s, which requires %s, and %s", primary, cluster.SyncNames, pg.Literal(value), words.Counted(set.Number, "standby"), there)
}

// setAside returns the value that an apply which died has set aside; the one in force where
// none has.
func setAside(s *cluster.Cluster, value string) string {
	if s.Live() == nil {
		return value
	}
	if owed := s.KeptAside(); owed != nil && cluster.RelaxedFrom(value, owed.Value) && !pg.SameSync(value, owed.Value) {
		return owed.Value
	}
	return s.Unrelaxed(value)
}

// slotsHealth reports slots of synchronized_standby_slots without which the logical slots
// that survive a failover stand still (PostgreSQL docs, 20.6.1).
func slotsHealth(s *cluster.Cluster, out *Findings) {
	if s.Live() == nil || !slices.ContainsFunc(s.Live().Slots, func(slot facts.Slot) bool { return slot.Failover && !slot.Synced }) {
		return
	}
	for _, name := range cluster.SlotNames(s.InForce(cluster.SyncedSlots)) {
		slot, state := s.Live().Slot(name), "has no connection"
		switch {
		case slot == nil:
			state = "does not exist"
		case slot.Active:
			continue
		}
		out.report(Finding{
			Code: "failover_slots_waiting", Severity: Error, Address: s.SyncedSlotsAddress(), Node: s.Leading().Name,
			Evidence: view("pg_settings and pg_replication_slots", s.Leading().Name),
			Fix:      "Start the standby that uses the slot, or remove the slot from " + cluster.SyncedSlots + ".",
		},
			"Subscribers that use failover slots on %s are waiting: slot %s of %s %s", s.Leading().Name, pg.Ident(name), cluster.SyncedSlots, state)
	}
}

// otherNames says under which names standbys are connected that the set does not have.
func otherNames(s *cluster.Cluster, set pg.SyncSet) string {
	var names []string
	for _, name := range cluster.Streaming((pg.SyncSet{Names: []string{"*"}}), s.Live()) {
		if !set.Has(name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return " Connected, but not in it: " + strings.Join(names, ", ") + "."
}

// commitsWait reports whether transactions wait for standbys unless they say otherwise.
func commitsWait(s *cluster.Cluster) bool {
	value := s.Live().InForce("synchronous_commit")
	return value != "off" && value != "local"
}
