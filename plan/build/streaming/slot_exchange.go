package streaming

import (
	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// A slot has one user at a time (PostgreSQL docs, 27.2.6). A standby that is to use the slot
// of another comes after that one has left it. Where they exchange slots, the first of them
// leaves its own and is not waited for: its WAL receiver tries again until the slot that it
// is to use is free, which is waited for with the change that frees it.

// slotHolder returns the standby that uses the slot of sb now and leaves it in this plan, or nil.
func slotHolder(s *cluster.Cluster, sb *topology.Standby) *topology.Standby {
	if sb.Slot == "" || !s.Running(sb.Node) || s.Recloned(sb.Node) || s.SlotInUse(sb, sb.Upstream) == sb.Slot {
		return nil
	}
	for _, other := range s.Cluster.Standbys {
		leaves := other.Slot != sb.Slot || other.Upstream != sb.Upstream
		if other != sb && leaves && s.Running(other.Node) && !s.Recloned(other.Node) && s.SlotInUse(other, sb.Upstream) == sb.Slot {
			return other
		}
	}
	return nil
}

// exchanging are the standbys that exchange slots with sb, each after the one whose slot it
// is to use: the last one holds the slot of the first. None where they do not.
func exchanging(s *cluster.Cluster, sb *topology.Standby) []*topology.Standby {
	var all []*topology.Standby
	for other := slotHolder(s, sb); other != nil && len(all) <= len(s.Cluster.Standbys); other = slotHolder(s, other) {
		all = append(all, other)
		if other == sb {
			return all
		}
	}
	return nil
}

// exchangesFirst reports whether sb is the one that leaves its slot first.
func exchangesFirst(s *cluster.Cluster, sb *topology.Standby) bool {
	all := exchanging(s, sb)
	for _, other := range all {
		if other.Node.Name < sb.Node.Name {
			return false
		}
	}
	return len(all) > 0
}

// exchange puts a standby after the one whose slot it is to use.
func exchange(s *cluster.Cluster, d *draft.Draft, sb *topology.Standby) {
	holder := slotHolder(s, sb)
	switch {
	case holder == nil:
	case exchangesFirst(s, sb):
		for _, other := range exchanging(s, sb) {
			d.Brings = append(d.Brings, s.StandbyAddress(other.Node))
		}
	default:
		d.Needs = append(d.Needs, s.StandbyAddress(holder.Node))
	}
	for _, other := range exchanging(s, sb) {
		if exchangesFirst(s, other) && slotHolder(s, other) == sb {
			draft.AwaitReceiver(s, d, other.Node, s.ConnInfo(other), other.Slot)
		}
	}
}
