package cluster

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
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

// GivenLines are those that the topology writes.
func (s *Cluster) GivenLines(n *topology.Node) []Line {
	var lines []Line
	wanted := s.ParametersOf(n)
	for _, name := range wanted.Names() {
		lines = append(lines, Line{Name: name, Value: wanted[name].Value, Secret: wanted[name].Secret})
	}
	return lines
}

func SortLines(lines []Line) []Line {
	slices.SortFunc(lines, func(a, b Line) int { return strings.Compare(a.Name, b.Name) })
	return lines
}

// derive computes derived.
func (s *Cluster) derive(n *topology.Node) []Line {
	var lines []Line
	if s.OwnsPort(n) {
		lines = append(lines, Line{Name: "port", Value: fmt.Sprint(n.Port), Note: "of the node"})
	}
	if n.SocketDir != "" {
		lines = append(lines, Line{Name: "unix_socket_directories", Value: n.SocketDir, Note: "of the node"})
	}
	// A line that is in the block stays: a clone gets it before the files beside the block
	// are known, which may have a value that would do.
	if s.Feeds(n) && (s.setsListen(n) || !s.ListensFor(n, s.outside(n, "listen_addresses", "localhost"))) {
		lines = append(lines, Line{Name: "listen_addresses", Value: "*", Note: "so that others reach it"})
	}
	lines = append(lines, s.slotCopyLines(n)...)
	if s.Cluster.Standby(n) != nil {
		lines = append(lines, s.minimums(n)...)
		lines = append(lines, s.walSizes(n)...)
	}
	return lines
}

// Feeds tells whether standbys or subscribers connect to n, or our block made it ready
// for that: a clone is, so that it can take the primary's place without a restart, and
// who has fed others stays so, since ceasing would take one.
func (s *Cluster) Feeds(n *topology.Node) bool {
	return n == s.Cluster.Primary && len(s.Subscribers()) > 0 || s.Recloned(n) || s.setsListen(n) ||
		slices.ContainsFunc(s.Cluster.Standbys, func(sb *topology.Standby) bool { return sb.Upstream == n })
}

// setsListen tells whether repltool's block on n opens listen_addresses already.
func (s *Cluster) setsListen(n *topology.Node) bool {
	h := s.Found(n).Host
	if h == nil {
		return false
	}
	value, ours := s.ConfBlock(h).Value("listen_addresses")
	return ours && value == "*"
}

// minimums raises a standby's hot-standby parameters to those of its primary,
// where neither the topology nor the standby's own files do.
func (s *Cluster) minimums(n *topology.Node) []Line {
	if s.Live() == nil {
		return nil
	}
	var lines []Line
	for _, name := range pg.HotStandby() {
		setting, need := s.Live().Settings[name], s.OnPrimary(name)
		if Number(setting, need) > Number(setting, s.outside(n, name, setting.Boot)) {
			lines = append(lines, Line{Name: name, Value: need, Note: "as on the primary"})
		}
	}
	return lines
}

// OnPrimary answers what a parameter of a live primary will be after this plan: one that
// leaves the block has the value of the other files then.
func (s *Cluster) OnPrimary(name string) string {
	n := s.Cluster.Primary
	p, given := s.ParametersOf(n)[name]
	switch _, ours := s.ConfBlock(s.FoundPrimary().Host).Value(name); {
	case Fixed(s.Live().Settings[name]):
		return s.Live().InForce(name)
	case given:
		return p.Value
	case ours:
		return s.outside(n, name, s.Live().InForce(name))
	default:
		return s.Live().InForce(name)
	}
}

// outside answers the value that n has without our block; fallback where there
// is no server to ask.
func (s *Cluster) outside(n *topology.Node, name, fallback string) string {
	f := s.Found(n)
	if f.Server == nil || s.Recloned(n) {
		return fallback
	}
	block := s.ConfBlock(f.Host)
	return f.Server.Outside(name, f.Host.Conf.Path, block.Has)
}

func HasLine(lines []Line, name string) bool {
	return slices.ContainsFunc(lines, func(l Line) bool { return l.Name == name })
}

// WithLine answers the lines with l in its place; a line with no value leaves.
func WithLine(lines []Line, l Line) []Line {
	all := slices.DeleteFunc(slices.Clone(lines), func(other Line) bool { return other.Name == l.Name })
	if l.Value != "" || l.Secret.IsSet() {
		all = append(all, l)
	}
	return SortLines(all)
}

// Fixed tells that no file can change a setting: it was given to the server's start.
func Fixed(setting facts.Setting) bool {
	return setting.Source == "command line" || setting.Source == "environment variable"
}

// ParametersOf answers what the topology wants on n.
func (s *Cluster) ParametersOf(n *topology.Node) topology.Parameters {
	return compute(s, "parameters", n, func() topology.Parameters { return s.Cluster.ParametersOf(n) })
}

// Lines answers the wanted block of n in order of name, without
// synchronous_standby_names, which is written last, behind a gate.
func (s *Cluster) Lines(n *topology.Node) []Line {
	return compute(s, "lines", n, func() []Line { return slices.Clip(s.wantedLines(n)) })
}

// derived answers what replication needs and the topology need not say.
func (s *Cluster) derived(n *topology.Node) []Line {
	return compute(s, "derived", n, func() []Line { return slices.Clip(s.derive(n)) })
}
