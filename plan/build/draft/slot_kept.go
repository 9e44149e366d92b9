package draft

import (
	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/doctor"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/topology"
)

// KeptForUnreadUser reports whether a physical slot stays because a standby that could not be
// read may use it, and notes that as a finding. The standby may use it as long as the slot that
// the topology has for it does not exist.
func KeptForUnreadUser(s *cluster.Cluster, n *topology.Node, slot string, out *Findings) bool {
	found := s.FoundSlot(n, slot)
	if found == nil || found.Type != topology.SlotPhysical {
		return false
	}
	for _, sb := range s.Cluster.Standbys {
		if s.Found(sb.Node).Complete() || sb.Slot != "" && s.Running(sb.Upstream) && s.FoundSlot(sb.Upstream, sb.Slot) != nil {
			continue
		}
		out.Report(doctor.Finding{
			Code: "undefined_slot_kept", Severity: doctor.Warning, Address: s.Address("slot", slot), Node: n.Name,
			Evidence: "pg_replication_slots on " + n.Name, Fix: "Apply again once " + sb.Node.Name + " can be read.",
		}, "slot %s on %s is not defined in the topology any more, but %s could not be read and may use it: it stays", pg.Ident(slot), n.Name, sb.Node.Name)
		out.Unchanged++
		return true
	}
	return false
}
