package draft

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/topology"
)

// Order sorts the drafts so that each comes after those that it names in Needs and After,
// fills Requires and Wave, and returns the same order for the same drafts: a
// wave is the longest way from the start, and within a wave drafts stand as the
// kinds listed them. A cycle is an error that names its members.
func Order(drafts []*Draft) ([]*Draft, error) {
	byAddress := map[topology.Address]*Draft{}
	for _, d := range drafts {
		if other := byAddress[d.Address]; other != nil {
			return nil, fmt.Errorf("two changes have the address %s: this is a bug in repltool", d.Address)
		}
		byAddress[d.Address] = d
	}
	for _, d := range drafts {
		d.Wave = 0
		d.needs = there(byAddress, d.Address, d.Needs)
		d.requires = there(byAddress, d.Address, slices.Concat(d.Needs, d.After))
	}
	for _, d := range drafts {
		if err := level(d, byAddress, nil); err != nil {
			return nil, err
		}
	}
	sorted := slices.Clone(drafts)
	slices.SortStableFunc(sorted, func(a, b *Draft) int { return a.Wave - b.Wave })
	return sorted, nil
}

// there returns the addresses, each once, at which something else changes.
func there(byAddress map[topology.Address]*Draft, self topology.Address, addresses []topology.Address) []topology.Address {
	var all []topology.Address
	for _, address := range addresses {
		if byAddress[address] != nil && address != self && !slices.Contains(all, address) {
			all = append(all, address)
		}
	}
	return all
}

// level sets the draft's wave and those of all that it requires.
func level(d *Draft, byAddress map[topology.Address]*Draft, path []topology.Address) error {
	if d.Wave > 0 {
		return nil
	}
	if i := slices.Index(path, d.Address); i >= 0 {
		return fmt.Errorf("these changes wait for each other: %s", strings.Join(cluster.Texts(append(path[i:], d.Address)), " → "))
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

// KeepUnder keeps the drafts at or under a target.
func KeepUnder(drafts []*Draft, target topology.Address, keep map[topology.Address]bool) {
	for _, d := range drafts {
		if target.Contains(d.Address) {
			keep[d.Address] = true
		}
	}
}

// Require keeps what the kept drafts of an ordered list need.
func Require(drafts []*Draft, keep map[topology.Address]bool) {
	for i := len(drafts) - 1; i >= 0; i-- { // what is needed stands before
		if keep[drafts[i].Address] {
			for _, address := range drafts[i].needs {
				keep[address] = true
			}
		}
	}
}
