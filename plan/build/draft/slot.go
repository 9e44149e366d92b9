package draft

import (
	"fmt"
	"strings"
	"time"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/topology"
)

// FreeSlot waits until nothing uses a slot.
func FreeSlot(s *cluster.Cluster, d *Draft, n *topology.Node, name string) {
	longest := time.Duration(0)
	for _, sb := range s.Cluster.Standbys {
		if sb.Slot == name || s.SlotInUse(sb, n) == name {
			longest = max(longest, s.Delay(sb.Node)) // a delayed standby moves once it has replayed what it has
		}
	}
	d.Wait(n, "slot "+name+" is free", "SELECT NOT EXISTS (SELECT FROM pg_replication_slots WHERE active AND slot_name = "+pg.Literal(name)+")", StreamTimeout+longest)
}

// CreateSlotSQL makes a logical slot. Its consistent point comes once every
// transaction that writes now has ended.
func CreateSlotSQL(w cluster.WantedSlot) string {
	args := []string{pg.Literal(w.Name), pg.Literal(w.Plugin), "false"} // not temporary
	if w.TwoPhase || w.Failover {
		args = append(args, fmt.Sprint(w.TwoPhase))
	}
	if w.Failover {
		args = append(args, "true")
	}
	return "SET LOCAL lock_timeout = '10min';\nSELECT pg_create_logical_replication_slot(" + strings.Join(args, ", ") + ");"
}

// RefuseSlot refuses to give a standby a slot that may be another server's.
func RefuseSlot(s *cluster.Cluster, w cluster.WantedSlot, found *facts.Slot, out *Findings) {
	out.Fail(w.Range, "Replication slot already exists",
		"Standby %s would use replication slot %s on %s. That slot exists (%s), %s, and %s does not use it now: it "+
			"may hold WAL for another server. Give the standby a slot with another name:\n"+
			"  standby {\n"+
			"    node = %s\n"+
			"    slot = \"NAME\"\n"+
			"  }\nor, once you know that nothing needs the slot, drop it on %s:\n  SELECT pg_drop_replication_slot(%s);",
		w.Fed.Name, pg.Ident(w.Name), w.On.Name, cluster.SlotText(*found), s.NotCreated(w, found), w.Fed.Name, w.Fed.ID, w.On.Name, pg.Literal(w.Name))
}
