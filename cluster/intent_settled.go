package cluster

import (
	"slices"
)

// Settled says why an intent has no use any more; "" as long as it has, or nobody can tell.
func (s *Cluster) Settled(o Object) string {
	there, wanted, unknown := s.Intended(o)
	switch {
	case o.Kind == "primary":
		return "the primary does not move"
	case unknown, wanted && !there, o.Kind == "slot" && wanted && s.awaitsSlot(o):
		return ""
	case !there:
		return "it does not exist"
	case wanted:
		return "it exists, and repltool cannot prove that it created it: it is adopted, and is kept when it is removed from " +
			"the topology"
	default:
		return "it exists and is not in the topology; repltool cannot prove that it created it: it stays, unmanaged"
	}
}

// awaitsSlot reports whether the slot of an intent is there and is, or may have to become,
// that of its standby or subscription: the plan confirms it or stops at it.
func (s *Cluster) awaitsSlot(o Object) bool {
	return slices.ContainsFunc(s.WantedSlots(), func(w WantedSlot) bool {
		if w.Name != o.Name || w.On.Name != o.In {
			return false
		}
		found := s.FoundSlot(w.On, w.Name)
		return s.CreatedByIntent(w, found) || !s.MayUse(w, found)
	})
}
