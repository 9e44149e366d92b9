package build

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// prevent_destroy refuses a plan that would remove an object, or recreate it. It
// stands in the object's block, so that it protects from what others change, not from
// whoever takes the block out; a cluster's protects all of its databases, those whose
// block is gone among them.

// refuseDestroy returns an error for each draft that a prevent_destroy forbids.
func refuseDestroy(t *topology.Topology, drafts []*draft.Draft) hcl.Diagnostics {
	guards := guardsOf(t)
	var diags hcl.Diagnostics
	for _, d := range drafts {
		if d.Impact != plan.Drop && d.Action != plan.Replace {
			continue // a row of the ledger, whose object is gone already
		}
		at, guarded := guards[d.Address]
		if !guarded {
			at, guarded = guardOfData(t, d.Address)
		}
		if !guarded {
			continue
		}
		what := "removed"
		if d.Action == plan.Replace {
			what = "recreated"
		}
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "Protected by prevent_destroy", Subject: &at,
			Detail: d.Address.String() + " would be " + what + ", and prevent_destroy forbids it. No flag overrides that: to allow it, remove prevent_destroy.",
		})
	}
	return diags
}

// guardsOf returns where each protected object says so, by address.
func guardsOf(t *topology.Topology) map[topology.Address]hcl.Range {
	guards := map[topology.Address]hcl.Range{}
	guard := func(address topology.Address, l topology.Lifecycle) {
		if l.PreventDestroy {
			guards[address] = l.Range
		}
	}
	for _, c := range t.Clusters {
		for _, r := range c.Roles {
			guard(c.Address().Object("role", r.Name), r.Lifecycle)
		}
		for _, db := range c.Databases {
			guard(c.Address().Object("database", db.Name), db.Lifecycle)
		}
		for _, slot := range c.PermanentSlots {
			guard(c.Address().Object("slot", slot.Name), slot.Lifecycle)
		}
	}
	for _, p := range t.Publications {
		guard(p.Address(), p.Lifecycle)
	}
	for _, sub := range t.Subscriptions {
		guard(sub.Address(), sub.Lifecycle)
	}
	return guards
}

// guardOfData returns where a cluster protects its databases.
func guardOfData(t *topology.Topology, address topology.Address) (hcl.Range, bool) {
	for _, c := range t.Clusters {
		if c.Lifecycle.PreventDestroy && address.Kind == "database" && c.Address().Contains(address) {
			return c.Lifecycle.Range, true
		}
	}
	return hcl.Range{}, false
}
