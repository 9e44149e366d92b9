package streaming

import (
	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
)

// A logical slot is a slot block's, for a client that decodes by itself, or a
// subscription's. It holds a position that cannot be had again: one that is gone is
// recreated only where nobody has used it (PostgreSQL docs, 47.2.2 "Replication
// Slots").

// cameAlong confirms a slot that an interrupted apply created, or writes down that a failover slot, which repltool made on the primary before,
// is on the one that was promoted: it continues being repltool's.
func cameAlong(s *cluster.Cluster, d *draft.Draft, w cluster.WantedSlot, found *facts.Slot) {
	if found == nil || s.IsOurs(cluster.Object{Kind: "slot", Name: w.Name, In: w.On.Name}) {
		return
	}
	if s.CreatedByIntent(w, found) {
		d.Action, d.Reason = plan.Update, "an interrupted apply created it; the ledger does not have it yet"
		d.SQL(s.Goal.Primary, "confirm", cluster.Record(s.SlotRow(w.On, w.Name)))
		return
	}
	if m := s.CarriedOver(w, found); m != nil {
		d.Action, d.Reason = plan.Update, "repltool created it on "+m.In+", and it was copied to "+w.On.Name
		d.SQL(s.Goal.Primary, "record where it is", cluster.Record(s.SlotRow(w.On, w.Name)))
	}
}
