package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// A synchronous set that fewer standbys than it asks for are connected to satisfy makes
// every commit wait, whoever wrote it (PostgreSQL docs, 27.2.8.3 "Planning for High
// Availability").

func (s *scope) syncHealth(out *findings) {
	value := s.syncCurrent()
	set, ok := parseSync(value)
	if !ok || s.live() == nil || len(set.names) == 0 || !s.commitsWait() {
		return
	}
	streaming := set.streaming(s.live())
	if len(streaming) >= set.number {
		return
	}
	there := "none of them streams"
	if len(streaming) > 0 {
		there = "only " + strings.Join(streaming, ", ") + " streams"
	}
	names := s.otherNames(set)
	out.tellHealth(Error, s.syncAddress(),
		fmt.Sprintf("Start the standbys that it names, or on %s: ALTER SYSTEM SET %s = ''; SELECT pg_reload_conf();%s", s.cluster.Primary.Name, syncNames, names),
		"Commits on %s wait: %s is %s, which requires %s, and %s", s.cluster.Primary.Name, syncNames, literal(value), counted(set.number, "standby"), there)
}

// slotsHealth reports slots of synchronized_standby_slots without which the logical slots
// that survive a failover stand still (PostgreSQL docs, 20.6.1).
func (s *scope) slotsHealth(out *findings) {
	if s.live() == nil || !slices.ContainsFunc(s.live().Slots, func(slot facts.Slot) bool { return slot.Failover && !slot.Synced }) {
		return
	}
	for _, name := range slotNames(s.inForce(syncedSlots)) {
		slot, state := s.live().Slot(name), "has no connection"
		switch {
		case slot == nil:
			state = "does not exist"
		case slot.Active:
			continue
		}
		out.tellHealth(Error, s.syncedSlotsAddress(), "Start the standby that uses the slot, or take the slot out of "+syncedSlots+".",
			"Subscribers of failover slots on %s wait: slot %s of %s %s", s.cluster.Primary.Name, ident(name), syncedSlots, state)
	}
}

// otherNames says under which names standbys are connected that the set does not have.
func (s *scope) otherNames(set syncSet) string {
	var names []string
	for _, name := range (syncSet{names: []string{"*"}}).streaming(s.live()) {
		if !set.has(name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return " Connected, and not in it: " + strings.Join(names, ", ") + "."
}

// commitsWait tells that transactions wait for standbys unless they say otherwise.
func (s *scope) commitsWait() bool {
	value := s.live().InForce("synchronous_commit")
	return value != "off" && value != "local"
}

// checkClusterNames refuses a cluster_name that would take a standby out of a set that
// knows it by the one that it has.
func (s *scope) checkClusterNames(sb *topology.Standby, out *findings) {
	const name = "cluster_name"
	n, server := sb.Node, s.found(sb.Node).Server
	if server == nil || s.standbyName(sb) != "" || s.recloned(n) {
		return
	}
	now, then := seenAs("", server.InForce(name)), seenAs("", s.willHave(n, name))
	if strings.EqualFold(now, then) || !s.setNames(now) {
		return
	}
	out.fail(s.rangeOfParameter(n, name), "Synchronous standby would lose its name",
		"%s is a synchronous standby of %s under the name %s, which is its cluster_name; after its restart it would be %s, and commits would wait for a standby that is not there. Declare the set in the topology (synchronous { standbys = [%s] }), or leave cluster_name as it is.",
		n.Name, s.cluster.Primary.Name, literal(now), literal(then), n.ID)
}
