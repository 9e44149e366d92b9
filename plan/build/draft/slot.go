package draft

import (
	"fmt"
	"strings"
	"time"

	"github.com/repltool/repltool/cluster"
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
