package cluster

import (
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// Held is what a server holds of something that a parameter limits.
type Held struct {
	Parameter, What string
	N               int
}

// HeldLimits are the limits below which a server does not start, for what it holds: slots
// that a restart keeps, replication origins, prepared transactions (PostgreSQL docs, 20.6).
func HeldLimits(server *facts.Server) []Held {
	return []Held{
		{"max_replication_slots", "replication slot", len(Persistent(server.Slots, ""))},
		{OriginsParameter(server.Major()), "replication origin", server.Origins},
		{"max_prepared_transactions", "prepared transaction", server.Prepared},
	}
}

// OriginsParameter limits the replication origins.
func OriginsParameter(major int) string {
	if major >= 18 {
		return "max_active_replication_origins"
	}
	return "max_replication_slots"
}

// Limit returns such a parameter of n as it will be, and where it is set; -1 unknown.
func (s *Cluster) Limit(n *topology.Node, name string) (int, hcl.Range) {
	at, value := s.RangeOfParameter(n, name), ""
	_, given := s.ParametersOf(n)[name]
	switch primary := s.Goal.Primary; {
	case given || s.Running(n) && !s.Recloned(n):
		value = s.WillHave(n, name)
	case s.Running(primary): // a copy comes with its primary's
		value = s.WillHave(primary, name)
	case s.WillRun(n):
		value = BootValue(name)
	default:
		return -1, at
	}
	if value == "" {
		return -1, at // of another version
	}
	return int(Number(facts.Setting{}, value)), at
}

// Persistent names the slots that outlive a restart; kind "" is every kind.
func Persistent(slots []facts.Slot, kind string) []string {
	var names []string
	for _, slot := range slots {
		if !slot.Temporary && (kind == "" || slot.Type == kind) {
			names = append(names, slot.Name)
		}
	}
	slices.Sort(names)
	return names
}

// RangeOfParameter returns where a parameter is set: at the cluster, if nowhere.
func (s *Cluster) RangeOfParameter(n *topology.Node, name string) hcl.Range {
	if p, given := s.ParametersOf(n)[name]; given {
		return p.Range
	}
	return s.Cluster.Range
}
