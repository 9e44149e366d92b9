package cluster

import (
	"slices"

	"github.com/repltool/repltool/topology"
)

// Copying reports whether a subscription is to copy tables in this plan.
func (s *Cluster) Copying(sub *topology.Subscription) bool {
	if !sub.CopyData || !sub.Options.Enabled {
		return false
	}
	v, unknown := s.SubscriptionOf(sub)
	come, _ := v.TableChanges()
	return !unknown && (v.Is == nil || v.Remade() || len(come) > 0)
}

// Exists reports whether a subscription is there.
func (s *Cluster) Exists(sub *topology.Subscription) bool {
	v, unknown := s.SubscriptionOf(sub)
	return unknown || v.Is != nil
}

// CopiesFrom reports whether the primary is to send initial table copies.
func (s *Cluster) CopiesFrom() bool {
	return slices.ContainsFunc(s.Subscribers(), func(sub *topology.Subscription) bool { return s.Targeted(sub.Address()) && s.Copying(sub) })
}
