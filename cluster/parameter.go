package cluster

import (
	"slices"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// PrimaryOwn are the parameters that mean something on a primary only: on a standby they
// wait for its promotion, and would make it wait for the standbys of another one.
func PrimaryOwn() []string { return []string{SyncNames, SyncedSlots} }

// wantedLines computes lines.
func (s *Cluster) wantedLines(n *topology.Node) []Line {
	lines, wanted := s.GivenLines(n), s.ParametersOf(n)
	for _, l := range s.derived(n) {
		if _, given := wanted[l.Name]; !given {
			lines = append(lines, l)
		}
	}
	return SortLines(lines)
}

// Fixed reports whether no file can change a setting: it was given to the server's start.
func Fixed(setting facts.Setting) bool {
	return setting.Source == "command line" || setting.Source == "environment variable"
}

// Lines returns the wanted block of n in order of name, without
// synchronous_standby_names, which is written last, behind a gate.
func (s *Cluster) Lines(n *topology.Node) []Line {
	return compute(s, "lines", n, func() []Line { return slices.Clip(s.wantedLines(n)) })
}
