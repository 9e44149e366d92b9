package build

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// madeWith returns the subscription whose slot is at that address, or nil.
func madeWith(t *topology.Topology, address topology.Address) *topology.Subscription {
	for _, sub := range t.Subscriptions {
		if c := sub.Publisher(); c != nil && address == c.Address().Object("slot", sub.Options.SlotName) {
			return sub
		}
	}
	return nil
}

// target keeps the drafts at or under the targets, and what they need. What would only come
// before them stays out.
func target(t *topology.Topology, scopes []*cluster.Cluster, drafts []*draft.Draft, targets []topology.Address) ([]*draft.Draft, hcl.Diagnostics) {
	if len(targets) == 0 {
		return drafts, nil
	}
	known := targetable(scopes, drafts)
	var diags hcl.Diagnostics
	keep := map[topology.Address]bool{}
	for _, address := range targets {
		if sub := madeWith(t, address); sub != nil {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: "Target belongs to another change",
				Detail: fmt.Sprintf("-target=%s: it is the slot of %s, and would hold back WAL without it. Use -target=%s, which includes the "+
					"slot.", address, sub.ID, sub.ID),
			})
			continue
		}
		if diag := movedTarget(scopes, address); diag != nil {
			diags = append(diags, diag)
			continue
		}
		if !slices.ContainsFunc(known, address.Contains) {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: "Unknown target",
				Detail: fmt.Sprintf("-target=%s: the topology has nothing at that address.%s Addresses look like cluster.main, cluster.main.standby.pg2, cluster.main.role.app.", address, words.Near(address.String(), cluster.Texts(known))),
			})
		}
		draft.KeepUnder(drafts, address, keep)
	}
	complete(drafts, keep)
	closeOpened(drafts, keep)
	drafts, err := draft.Order(list.Kept(drafts, func(d *draft.Draft) bool { return keep[d.Address] }))
	if err != nil { // cannot be: a part of an ordered set has an order
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: cycleSummary, Detail: err.Error()})
	}
	return drafts, diags
}

// movedTarget refuses a target whose only difference may be the move of the primary: that is
// another change, and without it there would be nothing to do.
func movedTarget(scopes []*cluster.Cluster, address topology.Address) *hcl.Diagnostic {
	for _, s := range scopes {
		m := s.Switchover()
		if m == nil {
			continue
		}
		moves := func(sb *topology.Standby) bool {
			return address == s.StandbyAddress(sb.Node) && (sb.Node == m.From || slices.Contains(s.Beside(m), sb))
		}
		if i := slices.IndexFunc(s.Cluster.Standbys, moves); i >= 0 {
			return &hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: "Target belongs to another change",
				Detail: fmt.Sprintf("-target=%s: the primary moves from %s to %s, and brings %s under %s. Use -target=%s, which includes that.",
					address, m.From.Name, m.To.Name, s.Cluster.Standbys[i].Node.Name, m.To.Name, s.PrimaryAddress()),
			}
		}
	}
	return nil
}

// complete keeps what the kept drafts need, and what they bring along, to the end.
func complete(drafts []*draft.Draft, keep map[topology.Address]bool) {
	for before := -1; before < len(keep); {
		before = len(keep)
		for _, d := range drafts {
			if keep[d.Address] {
				for _, address := range d.Brings {
					keep[address] = true
				}
			}
		}
		draft.Require(drafts, keep)
	}
}

// closeOpened keeps what closes the kept drafts that open something: that one comes for
// itself, and not with all that it follows.
func closeOpened(drafts []*draft.Draft, keep map[topology.Address]bool) {
	for _, d := range drafts {
		if keep[d.Address] && !d.Closer.IsZero() {
			keep[d.Closer] = true
		}
	}
}
