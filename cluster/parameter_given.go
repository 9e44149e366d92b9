package cluster

import (
	"strconv"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// Given reports whether the topology itself sets a parameter of n.
func (s *Cluster) Given(n *topology.Node, name string) bool { return HasLine(s.GivenLines(n), name) }

// GivenLines are those that the topology writes.
func (s *Cluster) GivenLines(n *topology.Node) []Line {
	var lines []Line
	wanted := s.ParametersOf(n)
	for _, name := range wanted.Names() {
		lines = append(lines, Line{Name: name, Value: wanted[name].Value, Secret: wanted[name].Secret})
	}
	return lines
}

// outside returns the value that n has without our block; fallback where there
// is no server to ask.
func (s *Cluster) outside(n *topology.Node, name, fallback string) string {
	f := s.Found(n)
	if f.Server == nil || s.Recloned(n) {
		return fallback
	}
	block := s.ConfBlock(f.Host)
	return f.Server.Outside(name, f.Host.Conf.Path, block.Has)
}

// ParametersOf returns what the topology wants on n.
func (s *Cluster) ParametersOf(n *topology.Node) topology.Parameters {
	return compute(s, "parameters", n, func() topology.Parameters { return s.Cluster.ParametersOf(n) })
}

// OwnsPort reports whether our block sets the port. On Debian the distribution's line does,
// which pg_createcluster writes, until the topology has another; from then on the block does.
func (s *Cluster) OwnsPort(n *topology.Node) bool {
	h := s.Found(n).Host
	if h == nil || h.Layout != facts.LayoutDebian {
		return true
	}
	if _, ours := s.ConfBlock(h).Value("port"); ours {
		return true
	}
	return s.PortInForce(n) != n.Port || s.outside(n, "port", strconv.Itoa(n.Port)) != strconv.Itoa(n.Port)
}
