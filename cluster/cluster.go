// Package cluster says what a cluster is and what it is to be: which server leads, who
// follows whom, which lines, rules, slots, passwords and connections each node should
// have, and what the ledger proves. It plans nothing and reports nothing; whoever plans,
// checks or reports asks here, so that there is one answer.
package cluster

import (
	"cmp"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// World is what the clusters of one plan share.
type World struct {
	Topology *topology.Topology
	Facts    facts.Facts
	Replace  map[topology.Address]bool
	Targets  []topology.Address
	Required map[topology.Address]bool // publications and subscriptions beside the targets
	InApply  bool
	moves    map[topology.Address]bool // clusters whose primary moves, whatever the ledger says
	fails    map[topology.Address]bool // clusters of which a failover was asked for
	options  Options
	renames  bool // the topology has moved blocks
	clusters map[*topology.Cluster]*Cluster
	memo     sharedMemo
}

// Cluster is one cluster and what was found of it: what every kind reads. Who should lead is
// Goal.Primary, and who leads is Now.Leader; nobody asks Cluster.Primary.
type Cluster struct {
	*World
	Cluster        *topology.Cluster
	ClusterAddress topology.Address
	Now            Now
	Goal           Goal
	decisions      map[*topology.Node]Decision
	memo           memo
}

// Targeted reports whether an object that stands beside the clusters is to be planned: it
// is a target, or one requires it (see build.widen).
func (s *Cluster) Targeted(address topology.Address) bool {
	return len(s.Targets) == 0 || s.Required[address] || slices.ContainsFunc(s.Targets, func(t topology.Address) bool { return t.Contains(address) || address.Contains(t) })
}

// Of returns one of the clusters, for one goroutine.
func (w *World) Of(c *topology.Cluster) *Cluster {
	own := *w.clusters[c]
	return &own
}

// Found returns what was read of n; never nil, also of a leader where none leads.
func (s *Cluster) Found(n *topology.Node) *facts.Node {
	if n == nil {
		return &facts.Node{Error: &facts.ReadError{Kind: facts.ReadFailed, Text: "no member leads"}}
	}
	if f := s.Facts.Nodes[n.Name]; f != nil {
		return f
	}
	return &facts.Node{Name: n.Name, Error: &facts.ReadError{Kind: facts.ReadFailed, Text: "was not read"}}
}

// Live returns the server of the member that leads, or nil where none does: the one that has
// the roles, the databases, the ledger and all else that standbys copy.
func (s *Cluster) Live() *facts.Server { return s.Found(s.Now.Leader).Server }

// Leading returns the member that leads or, where none does, the one that should.
func (s *Cluster) Leading() *topology.Node { return cmp.Or(s.Now.Leader, s.Goal.Primary) }

// Running reports whether n has a server that was read.
func (s *Cluster) Running(n *topology.Node) bool { return s.Found(n).Server != nil }

// Decision returns what becomes of the server of a member.
func (s *Cluster) Decision(n *topology.Node) Decision { return s.decisions[n] }

// IsNew reports whether the cluster does not exist yet, and is created.
func (s *Cluster) IsNew() bool { return s.Decision(s.Goal.Primary) == Create }

// Recloned reports whether the node's data directory is (still) to be filled by a copy.
func (s *Cluster) Recloned(n *topology.Node) bool { return s.Decision(n).Copies() }

// WillRun reports whether n has no server of its own yet and this plan makes one.
func (s *Cluster) WillRun(n *topology.Node) bool { return s.Decision(n).Makes() }

// IsDown reports whether n has a cluster, no server runs, and this plan starts it.
func (s *Cluster) IsDown(n *topology.Node) bool { return s.Decision(n) == Start }

// Options narrow or widen a plan.
type Options struct {
	RepltoolVersion string
	// Targets keep only the changes at or under these addresses, and those that
	// they require.
	Targets []string
	// Replace are standbys to clone again: cluster.C.standby.N.
	Replace []string
	// Moves are clusters whose primary is to move to the node that the topology names, also
	// where the ledger does not show that it names another one than before.
	Moves []string
	// Failovers are clusters whose primary is gone, and whose place the node that the topology
	// names is to take.
	Failovers []string
	// InApply reports whether an apply plans, which holds the locks: that one is at work is no
	// news to it.
	InApply bool
	// Adopt plans marks of ownership also where nothing else is to be done.
	Adopt bool
	// NoMarks leaves marks of ownership out: what is left is what a plan changes. It is for being
	// shown, since a change may require one of them.
	NoMarks bool
	// Variables are recorded, so that a saved plan can load its topology again.
	Variables map[string]string
}

func (s *Cluster) RangeOf(n *topology.Node) hcl.Range {
	if sb := s.Cluster.Standby(n); sb != nil && sb.Range.Filename != "" {
		return sb.Range
	}
	return n.Range
}

// Of returns another cluster of the same topology.
func (s *Cluster) Of(c *topology.Cluster) *Cluster {
	if c == s.Cluster {
		return s
	}
	return compute(s, "others", c, func() *Cluster { return s.World.Of(c) })
}
