package plan

import (
	"maps"
	"slices"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/topology"
)

// The slot of a subscription that left the topology is dropped only where it is known
// that no subscription goes on with it: the ledger says that repltool created the slot,
// not that nobody uses it. An inactive slot may belong to a subscription that is
// disabled, or whose server is down; without it that one lacks rows for good. Nor can it
// go on without its publication, which stays as well.

// tellKept reports a logical slot that is not wanted any more and that stays.
func (s *scope) tellKept(n *topology.Node, slot string, out *findings) bool {
	found := s.foundSlot(n, slot)
	if found == nil || found.Type != topology.SlotLogical || found.Synced {
		return false
	}
	uses := func(is *facts.Subscription) bool { return is.Options.SlotName == slot }
	return s.tellUsed(n, s.address("slot", slot), "slot "+ident(slot), uses, out)
}

// tellKeptPublication reports a publication that is not wanted any more and that stays.
func (s *scope) tellKeptPublication(m row, address topology.Address, out *findings) bool {
	uses := func(is *facts.Subscription) bool {
		return slices.Contains(is.Publications, m.name) && conninfo.Map(is.ConnInfo.Reveal())["dbname"] == m.in
	}
	return s.tellUsed(s.cluster.Primary, address, "publication "+ident(m.name), uses, out)
}

// tellUsed reports an object of n that stays, since a subscription uses it or may use it.
func (s *scope) tellUsed(n *topology.Node, address topology.Address, what string, uses func(*facts.Subscription) bool, out *findings) bool {
	for _, c := range s.topology.Clusters {
		why, hint := s.of(c).keeps(n, uses)
		if why != "" {
			out.tellHealth(Warning, address, hint, "%s on %s is not defined in the topology any more, but %s: it stays", what, n.Name, why)
			out.unchanged++
			return true
		}
	}
	return false
}

// keeps answers why an object of a publisher is, or may be, used by a subscription of
// this cluster that the plan does not drop, and what to do; or "".
func (s *scope) keeps(n *topology.Node, uses func(*facts.Subscription) bool) (why, hint string) {
	if s.live() == nil {
		if s.fresh() {
			return "", ""
		}
		return "the subscriptions of " + s.cluster.Primary.Name + " could not be read, and one may use it", "Apply again once " + s.cluster.Primary.Name + " can be read."
	}
	for _, database := range slices.Sorted(maps.Keys(s.live().Logical)) {
		found, unknown := s.logical(database)
		if unknown {
			return "database " + ident(database) + " on " + s.cluster.Primary.Name + " could not be read, and a subscription there may use it", "Apply again once the database can be read."
		}
		for i := range found.Subscriptions {
			if is := &found.Subscriptions[i]; s.remains(is, database) && uses(is) && s.publisherOf(is) == n {
				return "subscription " + ident(is.Name) + " in database " + ident(database) + " on " + s.cluster.Primary.Name + " uses it and is not dropped",
					"Write the subscription's block again, or drop it: ALTER SUBSCRIPTION … DISABLE, SET (slot_name = NONE), DROP SUBSCRIPTION; then apply again."
			}
		}
	}
	return "", ""
}

// remains tells whether a subscription is neither the topology's nor dropped by this plan.
func (s *scope) remains(is *facts.Subscription, database string) bool {
	if s.wantsSubscription(database, is.Name) {
		return false
	}
	for _, m := range s.managed("subscription") {
		if m.in == database && m.name == is.Name {
			return !s.targeted(s.addressOfRow(m.address))
		}
	}
	return true
}

// tellUnreadUser reports a physical slot that stays, since a standby that could not be read
// may use it: the slot that the topology has for that one is not there yet.
func (s *scope) tellUnreadUser(n *topology.Node, slot string, out *findings) bool {
	found := s.foundSlot(n, slot)
	if found == nil || found.Type != topology.SlotPhysical {
		return false
	}
	for _, sb := range s.cluster.Standbys {
		if s.found(sb.Node).Complete() || sb.Slot != "" && s.running(sb.Upstream) && s.foundSlot(sb.Upstream, sb.Slot) != nil {
			continue
		}
		out.tellHealth(Warning, s.address("slot", slot), "Apply again once "+sb.Node.Name+" can be read.",
			"slot %s on %s is not defined in the topology any more, but %s could not be read and may use it: it stays", ident(slot), n.Name, sb.Node.Name)
		out.unchanged++
		return true
	}
	return false
}
