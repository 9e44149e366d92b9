package cluster

import (
	"fmt"
	"slices"

	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/topology"
)

// derive computes derived.
func (s *Cluster) derive(n *topology.Node) []Line {
	var lines []Line
	if s.OwnsPort(n) {
		lines = append(lines, Line{Name: "port", Value: fmt.Sprint(n.Port), Note: "from the node"})
	}
	if n.SocketDir != "" {
		lines = append(lines, Line{Name: "unix_socket_directories", Value: n.SocketDir, Note: "from the node"})
	}
	// A line that is in the block stays: a clone gets it before the files beside the block
	// are known, which may have a value that would do.
	if s.Feeds(n) && (s.setsListen(n) || !s.ListensFor(n, s.outside(n, "listen_addresses", "localhost"))) {
		lines = append(lines, Line{Name: "listen_addresses", Value: "*", Note: "so that other nodes can connect"})
	}
	lines = append(lines, s.slotCopyLines(n)...)
	if s.Cluster.Standby(n) != nil {
		lines = append(lines, s.minimums(n)...)
		lines = append(lines, s.walSizes(n)...)
	}
	return lines
}

// Feeds reports whether standbys or subscribers connect to n, or our block made it ready
// for that: a clone is, so that it can take the primary's place without a restart, and
// who has fed others stays so, since ceasing would take one.
func (s *Cluster) Feeds(n *topology.Node) bool {
	return n == s.Goal.Primary && len(s.Subscribers()) > 0 || s.Recloned(n) || s.setsListen(n) ||
		slices.ContainsFunc(s.Cluster.Standbys, func(sb *topology.Standby) bool { return sb.Upstream == n })
}

// setsListen reports whether repltool's block on n opens listen_addresses already.
func (s *Cluster) setsListen(n *topology.Node) bool {
	h := s.Found(n).Host
	if h == nil {
		return false
	}
	value, ours := s.ConfBlock(h).Value("listen_addresses")
	return ours && value == "*"
}

// minimums raises a standby's hot-standby parameters to those of the member that should lead,
// where neither the topology nor the standby's own files do.
func (s *Cluster) minimums(n *topology.Node) []Line {
	if !s.Running(s.Goal.Primary) && !s.IsNew() {
		return nil
	}
	var lines []Line
	for _, name := range pg.HotStandby() {
		need := s.GoalLimit(name)
		if LimitOf(need) > LimitOf(s.beside(n, name, BootValue(name))) {
			lines = append(lines, Line{Name: name, Value: need, Note: "as on the primary"})
		}
	}
	return lines
}

// GoalLimit returns what a hot-standby parameter of the member that should lead, which runs or is
// to be created, will be after this plan: one that leaves the block has the value of the other files then,
// and so has a lower one that waits for a restart, where the plan restarts that member.
func (s *Cluster) GoalLimit(name string) string {
	n := s.Goal.Primary
	p, given := s.ParametersOf(n)[name]
	server := s.Found(n).Server
	if server == nil {
		if given {
			return p.Value
		}
		return s.ownFile(n, name, BootValue(name))
	}
	now, files := server.InForce(name), s.outside(n, name, server.InForce(name))
	switch _, ours := s.ConfBlock(s.Found(n).Host).Value(name); {
	case Fixed(server.Settings[name]):
		return now
	case given:
		return p.Value
	case ours, LimitOf(files) < LimitOf(now) && s.restartsForLines(n):
		return files
	default:
		return now
	}
}

// restartsForLines reports whether the block of n gives, or gave, a parameter another value that
// only a restart puts into effect.
func (s *Cluster) restartsForLines(n *topology.Node) bool {
	return compute(s, "restarts", n, func() bool {
		server, lines, block := s.Found(n).Server, s.Lines(n), s.ConfBlock(s.Found(n).Host)
		restarts := func(name, value string) bool {
			setting := server.Settings[name]
			return setting.Context == "postmaster" && !Fixed(setting) && (setting.PendingRestart || !Same(setting, server.InForce(name), value))
		}
		return slices.ContainsFunc(lines, func(l Line) bool { return restarts(l.Name, l.Reveal()) }) ||
			slices.ContainsFunc(s.LeftBlock(n, lines), func(p Pending) bool { return p.Restart }) ||
			slices.ContainsFunc(block.Names(), func(name string) bool { return !HasLine(lines, name) && restarts(name, s.outside(n, name, "")) })
	})
}

// derived returns what replication needs and the topology need not say.
func (s *Cluster) derived(n *topology.Node) []Line {
	return compute(s, "derived", n, func() []Line { return slices.Clip(s.derive(n)) })
}
