package plan

import (
	"strings"

	"github.com/repltool/repltool/topology"
)

// A subscription is recreated only where the user asks for it (-replace): PostgreSQL
// copies all its tables again. What the ledger has of it and of its slot is an intent
// until each is there again.

// remake drops it and makes it again, with its slot: all tables are copied.
func (v *subscription) remake(d *draft) {
	n := v.scope.cluster.Primary
	d.Reason = "made anew at the user's wish"
	d.worsen(CopyData)
	d.differ("copied again", nil, ptr(strings.Join(v.Names(), ", ")), "")
	v.copyNote(d, v.publishedTables())
	d.sqlIn(n, v.Database, "detach and drop", detach(v.is.Name)...)
	if v.publisher != nil {
		v.scope.dropSyncSlots(d, v.publisher.cluster.Primary, v.is)
	}
	if v.publisher != nil && v.CreateSlot {
		v.dropSlotSteps(d)
		v.remakeSlot(d)
	}
	v.createSteps(d)
}

// remakeSlot creates the slot of a subscription that is recreated.
func (v *subscription) remakeSlot(d *draft) {
	p, n := v.publisher, v.publisher.cluster.Primary
	was, now := p.slotRow(n, v.is.Options.SlotName), p.slotRow(n, v.Options.SlotName)
	create := createSlotSQL(p.slotFor(v.Subscription))
	if v.OnDestroy != topology.OnDestroyDrop && !p.isOurs(was.object) && !p.isOurs(now.object) {
		d.sqlIn(n, v.SourceDatabase(), "create slot", create)
		return
	}
	intent := []string{intend(now)}
	if was != now && p.isOurs(was.object) {
		intent = []string{forget(was.address), intend(now)}
	}
	d.sql(n, "intent", intent...)
	p.created(d, n, v.SourceDatabase(), "create slot", now, create)
}
