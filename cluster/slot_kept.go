package cluster

import (
	"maps"
	"slices"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/topology"
)

// The slot of a subscription that left the topology is dropped only where it is known
// that no subscription goes on with it: the ledger says that repltool created the slot,
// not that nobody uses it. An inactive slot may belong to a subscription that is
// disabled, or whose server is down; without it that one lacks rows for good. Nor can it
// go on without its publication, which stays as well.

// Keeps answers why an object of a publisher is, or may be, used by a subscription of
// this cluster that the plan does not drop, and what to do; or "".
func (s *Cluster) Keeps(n *topology.Node, uses func(*facts.Subscription) bool) (why, hint string) {
	if s.Live() == nil {
		if s.IsNew() {
			return "", ""
		}
		return "the subscriptions of " + s.Cluster.Primary.Name + " could not be read, and one may use it", "Apply again once " + s.Cluster.Primary.Name + " can be read."
	}
	for _, database := range slices.Sorted(maps.Keys(s.Live().Logical)) {
		found, unknown := s.Logical(database)
		if unknown {
			return "database " + pg.Ident(database) + " on " + s.Cluster.Primary.Name + " could not be read, and a subscription there may use it", "Apply again once the database can be read."
		}
		for i := range found.Subscriptions {
			if is := &found.Subscriptions[i]; s.remains(is, database) && uses(is) && s.PublisherOf(is) == n {
				return "subscription " + pg.Ident(is.Name) + " in database " + pg.Ident(database) + " on " + s.Cluster.Primary.Name + " uses it and is not dropped",
					"Write the subscription's block again, or drop it: ALTER SUBSCRIPTION … DISABLE, SET (slot_name = NONE), DROP SUBSCRIPTION; then apply again."
			}
		}
	}
	return "", ""
}

// remains tells whether a subscription is neither the topology's nor dropped by this plan.
func (s *Cluster) remains(is *facts.Subscription, database string) bool {
	if s.WantsSubscription(database, is.Name) {
		return false
	}
	for _, m := range s.Managed("subscription") {
		if m.In == database && m.Name == is.Name {
			return !s.Targeted(s.AddressOfRow(m.Address))
		}
	}
	return true
}
