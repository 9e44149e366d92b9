package cluster

import (
	"slices"
	"strings"

	"github.com/repltool/repltool/topology"
)

const SyncNames = "synchronous_standby_names"

// Line is one setting of the block.
type Line struct {
	Name   string
	Value  string
	Secret topology.Secret // in place of value
	Note   string          // why, where the topology does not say it
}

// Shown is the value for people.
func (l Line) Shown() string {
	if l.Secret.IsSet() {
		return topology.Redacted
	}
	return l.Value
}

func (l Line) Reveal() string {
	if l.Secret.IsSet() {
		return l.Secret.Reveal()
	}
	return l.Value
}

const AutoConf = "postgresql.auto.conf"

func SortLines(lines []Line) []Line {
	slices.SortFunc(lines, func(a, b Line) int { return strings.Compare(a.Name, b.Name) })
	return lines
}

func HasLine(lines []Line, name string) bool {
	return slices.ContainsFunc(lines, func(l Line) bool { return l.Name == name })
}

// WithLine returns the lines with l in its place; a line with no value leaves.
func WithLine(lines []Line, l Line) []Line {
	all := slices.DeleteFunc(slices.Clone(lines), func(other Line) bool { return other.Name == l.Name })
	if l.Value != "" || l.Secret.IsSet() {
		all = append(all, l)
	}
	return SortLines(all)
}
