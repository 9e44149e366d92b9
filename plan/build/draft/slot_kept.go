package draft

import (
	"slices"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// TellKept reports a logical slot that is not wanted any more and that stays.
func TellKept(s *cluster.Cluster, n *topology.Node, slot string, out *Findings) bool {
	found := s.FoundSlot(n, slot)
	if found == nil || found.Type != topology.SlotLogical || found.Synced {
		return false
	}
	uses := func(is *facts.Subscription) bool { return is.Options.SlotName == slot }
	return tellUsed(s, n, s.Address("slot", slot), "slot "+pg.Ident(slot), uses, out)
}

// TellKeptPublication reports a publication that is not wanted any more and that stays.
func TellKeptPublication(s *cluster.Cluster, m cluster.Row, address topology.Address, out *Findings) bool {
	uses := func(is *facts.Subscription) bool {
		return slices.Contains(is.Publications, m.Name) && conninfo.Map(is.ConnInfo.Reveal())["dbname"] == m.In
	}
	return tellUsed(s, s.Cluster.Primary, address, "publication "+pg.Ident(m.Name), uses, out)
}

// tellUsed reports an object of n that stays, since a subscription uses it or may use it.
func tellUsed(s *cluster.Cluster, n *topology.Node, address topology.Address, what string, uses func(*facts.Subscription) bool, out *Findings) bool {
	for _, c := range s.Topology.Clusters {
		why, hint := s.Of(c).Keeps(n, uses)
		if why != "" {
			out.TellHealth(plan.Warning, address, hint, "%s on %s is not defined in the topology any more, but %s: it stays", what, n.Name, why)
			out.Unchanged++
			return true
		}
	}
	return false
}

// TellUnreadUser reports a physical slot that stays, since a standby that could not be read
// may use it: the slot that the topology has for that one is not there yet.
func TellUnreadUser(s *cluster.Cluster, n *topology.Node, slot string, out *Findings) bool {
	found := s.FoundSlot(n, slot)
	if found == nil || found.Type != topology.SlotPhysical {
		return false
	}
	for _, sb := range s.Cluster.Standbys {
		if s.Found(sb.Node).Complete() || sb.Slot != "" && s.Running(sb.Upstream) && s.FoundSlot(sb.Upstream, sb.Slot) != nil {
			continue
		}
		out.TellHealth(plan.Warning, s.Address("slot", slot), "Apply again once "+sb.Node.Name+" can be read.",
			"slot %s on %s is not defined in the topology any more, but %s could not be read and may use it: it stays", pg.Ident(slot), n.Name, sb.Node.Name)
		out.Unchanged++
		return true
	}
	return false
}
