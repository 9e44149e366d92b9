package logical

import (
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// A subscription is recreated only where the user asks for it (-replace): PostgreSQL
// copies all its tables again. What the ledger has of it and of its slot is an intent
// until each is there again.

// remake drops it and makes it again, with its slot: all tables are copied.
func remake(v *cluster.Subscription, d *draft.Draft) {
	n := v.Scope.Goal.Primary
	d.Reason = "recreated because of -replace"
	d.Worsen(plan.CopyData)
	d.Differ("copied again", nil, plan.Ptr(strings.Join(v.Names(), ", ")), "")
	copyNote(v, d, v.PublishedTables())
	d.SQLIn(n, v.Database, "detach and drop", detach(v.Is.Name)...)
	if v.Source != nil {
		dropSyncSlots(v.Scope, d, v.Source.Goal.Primary, v.Is)
	}
	if v.Source != nil && v.CreateSlot {
		dropSlotSteps(v, d)
		remakeSlot(v, d)
	}
	createSteps(v, d)
}

// remakeSlot creates the slot of a subscription that is recreated.
func remakeSlot(v *cluster.Subscription, d *draft.Draft) {
	p, n := v.Source, v.Source.Goal.Primary
	was, now := p.SlotRow(n, v.Is.Options.SlotName), p.SlotRow(n, v.Options.SlotName)
	create := draft.CreateSlotSQL(p.SlotFor(v.Subscription))
	if v.OnDestroy != topology.OnDestroyDrop && !p.HasRow(was.Address) && !p.HasRow(now.Address) {
		d.SQLIn(n, v.SourceDatabase(), "create slot", create)
		return
	}
	intent := []string{cluster.Intend(now)}
	if was != now && p.HasRow(was.Address) && v.DropsSlot(was.Name) {
		intent = []string{cluster.Forget(was.Address), cluster.Intend(now)}
	}
	d.SQL(n, "record the intent to create", intent...)
	draft.Created(p, d, n, v.SourceDatabase(), "create slot", now, create)
}
