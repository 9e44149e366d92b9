package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/topology"
)

// order sorts the drafts so that each comes after those that it names in after,
// fills Requires and Wave, and answers the same order for the same drafts: a
// wave is the longest way from the start, and within a wave drafts stand as the
// kinds listed them. A cycle is an error that names its members.
func order(drafts []*draft) ([]*draft, error) {
	byAddress := map[topology.Address]*draft{}
	for _, d := range drafts {
		if other := byAddress[d.Address]; other != nil {
			return nil, fmt.Errorf("two changes have the address %s: a bug in repltool", d.Address)
		}
		byAddress[d.Address] = d
	}
	for _, d := range drafts {
		d.requires, d.Wave = nil, 0
		for _, address := range d.after {
			if byAddress[address] != nil && address != d.Address && !slices.Contains(d.requires, address) {
				d.requires = append(d.requires, address)
			}
		}
	}
	for _, d := range drafts {
		if err := level(d, byAddress, nil); err != nil {
			return nil, err
		}
	}
	sorted := slices.Clone(drafts)
	slices.SortStableFunc(sorted, func(a, b *draft) int { return a.Wave - b.Wave })
	return sorted, nil
}

// level sets the draft's wave and those of all that it requires.
func level(d *draft, byAddress map[topology.Address]*draft, path []topology.Address) error {
	if d.Wave > 0 {
		return nil
	}
	if i := slices.Index(path, d.Address); i >= 0 {
		return fmt.Errorf("these changes wait for each other: %s", strings.Join(texts(append(path[i:], d.Address)), " → "))
	}
	path = append(path, d.Address)
	wave := 1
	for _, address := range d.requires {
		first := byAddress[address]
		if err := level(first, byAddress, path); err != nil {
			return err
		}
		wave = max(wave, first.Wave+1)
	}
	d.Wave = wave
	return nil
}

// madeWith answers the subscription whose slot is at that address, or nil.
func madeWith(t *topology.Topology, address topology.Address) *topology.Subscription {
	for _, sub := range t.Subscriptions {
		if c := sub.Publisher(); c != nil && address == c.Address().Object("slot", sub.Options.SlotName) {
			return sub
		}
	}
	return nil
}

// target keeps the drafts at or under the targets, and what they require.
func target(t *topology.Topology, scopes []*scope, drafts []*draft, targets []topology.Address) ([]*draft, hcl.Diagnostics) {
	if len(targets) == 0 {
		return drafts, nil
	}
	known := addresses(scopes, drafts)
	var diags hcl.Diagnostics
	keep := map[topology.Address]bool{}
	for _, address := range targets {
		if sub := madeWith(t, address); sub != nil {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: "Target is made with another",
				Detail: fmt.Sprintf("-target=%s: it is the slot of %s, and would hold back WAL without it. Say -target=%s: that brings the slot.", address, sub.ID, sub.ID),
			})
			continue
		}
		if !slices.ContainsFunc(known, address.Contains) {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: "Unknown target",
				Detail: fmt.Sprintf("-target=%s: the topology has nothing at that address.%s Addresses look like cluster.main, cluster.main.standby.pg2, cluster.main.role.app.", address, near(address.String(), texts(known))),
			})
		}
		keepUnder(drafts, address, keep)
	}
	complete(drafts, keep)
	closeOpened(drafts, keep)
	drafts, err := order(kept(drafts, func(d *draft) bool { return keep[d.Address] }))
	if err != nil { // cannot be: a part of an ordered set has an order
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: cycleSummary, Detail: err.Error()})
	}
	return drafts, diags
}

// keepUnder keeps the drafts at or under a target.
func keepUnder(drafts []*draft, target topology.Address, keep map[topology.Address]bool) {
	for _, d := range drafts {
		if target.Contains(d.Address) {
			keep[d.Address] = true
		}
	}
}

// complete keeps what the kept drafts require, and what they bring along, to the end.
func complete(drafts []*draft, keep map[topology.Address]bool) {
	for before := -1; before < len(keep); {
		before = len(keep)
		for _, d := range drafts {
			if keep[d.Address] {
				for _, address := range d.brings {
					keep[address] = true
				}
			}
		}
		require(drafts, keep)
	}
}

// require keeps what the kept drafts of an ordered list require.
func require(drafts []*draft, keep map[topology.Address]bool) {
	for i := len(drafts) - 1; i >= 0; i-- { // what is required stands before
		if keep[drafts[i].Address] {
			for _, address := range drafts[i].requires {
				keep[address] = true
			}
		}
	}
}

// closeOpened keeps what closes the kept drafts that open something: that one comes for
// itself, and not with all that it follows.
func closeOpened(drafts []*draft, keep map[topology.Address]bool) {
	for _, d := range drafts {
		if keep[d.Address] && !d.closedBy.IsZero() {
			keep[d.closedBy] = true
		}
	}
}

// texts answers addresses as people write them.
func texts(addresses []topology.Address) []string {
	all := make([]string, len(addresses))
	for i, a := range addresses {
		all[i] = a.String()
	}
	return all
}

// blocks answers the addresses of the clusters, publications and subscriptions.
func blocks(t *topology.Topology) []topology.Address {
	var all []topology.Address
	for _, c := range t.Clusters {
		all = append(all, c.Address())
	}
	for _, p := range t.Publications {
		all = append(all, p.Address())
	}
	for _, sub := range t.Subscriptions {
		all = append(all, sub.Address())
	}
	return all
}
