package cluster

import (
	"slices"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// publications come before the slot that decodes for them: what is decoded is seen with
// the catalog of its time, and a publication that was not there yet stops it for good. The
// slot is the subscription's own, or a slot block's that it uses.
func (s *Cluster) SlotPublications(w WantedSlot) []topology.Address {
	var ids []topology.Address
	for _, sub := range s.Subscribers() {
		if w.On == s.Goal.Primary && w.Fed == nil && w.Name == sub.Options.SlotName {
			for _, p := range sub.Publications {
				ids = append(ids, p.Address())
			}
		}
	}
	return ids
}

// MayMake is false for the slot of a subscription that is there already, or may be,
// for one that the user makes, and for that of a standby that could not be read: nobody
// knows which slot that one uses.
func (s *Cluster) MayMake(w WantedSlot) bool {
	if w.By == nil {
		return w.Fed == nil || s.Found(w.Fed).Complete()
	}
	v, unknown := s.SubscriptionOf(w.By)
	return w.By.CreateSlot && !unknown && s.Targeted(w.By.Address()) && v.Is == nil
}

// Spent reports whether a slot is of no use and is to be recreated: it has lost its WAL, and
// its standby is cloned again; or the subscription that it was made for was never made,
// and it lost its WAL or is older than a publication of it.
func (s *Cluster) Spent(w WantedSlot, found *facts.Slot) bool {
	lost := found.WALStatus == "lost"
	if w.By == nil {
		return lost && w.Fed != nil && s.Recloned(w.Fed)
	}
	return !found.Active && s.IsOurs(Object{"slot", w.Name, w.On.Name}) && s.MayMake(w) && (lost || s.PublicationsToCome(w.By))
}

// PublicationsToCome reports whether this plan makes a publication of the subscription.
func (s *Cluster) PublicationsToCome(sub *topology.Subscription) bool {
	return slices.ContainsFunc(sub.Publications, func(p *topology.Publication) bool {
		found, _ := s.Logical(p.Database)
		return found.Publication(p.Name) == nil
	})
}

// CarriedOver returns the ledger's row of a failover slot that repltool created on the
// primary of before, or nil.
func (s *Cluster) CarriedOver(w WantedSlot, found *facts.Slot) *Row {
	if w.On != s.Goal.Primary || !found.Failover {
		return nil
	}
	for _, m := range s.Managed("slot") {
		if m.Name == w.Name {
			return &m
		}
	}
	return nil
}

// leavingSubscription returns the subscription that uses the slot now and that this
// plan drops, or "".
func (s *Cluster) leavingSubscription(slot string) string {
	for _, m := range s.Ledgered() {
		of := s.Of(m.By)
		found, _ := of.Logical(m.In)
		is := found.Subscription(m.Name)
		if is != nil && is.Options.SlotName == slot && !of.WantsSubscription(m.In, m.Name) {
			return m.Name
		}
	}
	return ""
}

func (s *Cluster) WantsSubscription(database, name string) bool {
	return slices.ContainsFunc(s.Subscriptions(), func(sub *topology.Subscription) bool {
		return sub.Database == database && (sub.Name == name || s.Earlier("subscription", sub.Address(), database, sub.Name) == name)
	})
}

// SubscribersSlot reports whether a subscription of the topology uses the slot.
func (s *Cluster) SubscribersSlot(name string) bool {
	return slices.ContainsFunc(s.Subscribers(), func(sub *topology.Subscription) bool { return sub.Options.SlotName == name })
}
