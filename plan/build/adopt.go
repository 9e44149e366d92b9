package build

import (
	"slices"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
)

// What already runs as the topology has it is adopted: repltool's ledger and its managed blocks
// are missing, and would change nothing. Such marks are no changes and no drift. They are
// written with the next change, or if they are asked for.

// adopt returns the drafts to plan, and the marks that wait, where there is nothing else.
func adopt(drafts []*draft.Draft, o cluster.Options) ([]*draft.Draft, []plan.Mark) {
	if o.NoMarks {
		drafts = slices.DeleteFunc(drafts, func(d *draft.Draft) bool { return d.Adopts })
	}
	if o.Adopt || slices.ContainsFunc(drafts, func(d *draft.Draft) bool { return !d.Adopts }) {
		return drafts, []plan.Mark{}
	}
	marks := []plan.Mark{}
	for _, d := range drafts {
		for _, n := range d.Nodes {
			marks = append(marks, plan.Mark{Address: d.Address.String(), Node: n})
		}
	}
	return nil, marks
}
