package cluster

import (
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/topology"
)

const SyncedSlots = "synchronized_standby_slots"

// copiesSlots reports whether n keeps copies of the slots of the member that should lead, or
// would as its heir.
func (s *Cluster) copiesSlots(n *topology.Node) bool {
	sb := s.Cluster.Standby(n)
	return s.FailsOver() && (sb == nil || sb.Upstream == s.Goal.Primary)
}

// slotCopyLines are the parameters that follow.
func (s *Cluster) slotCopyLines(n *topology.Node) []Line {
	if !s.copiesSlots(n) || len(s.Cluster.Standbys) == 0 {
		return nil
	}
	const note = "for failover slots"
	return []Line{
		{Name: "hot_standby_feedback", Value: "on", Note: note},
		{Name: "sync_replication_slots", Value: "on", Note: note},
	}
}

func (s *Cluster) SyncedSlotsAddress() topology.Address {
	return s.Address("synchronized_slots", "")
}

// WantedSyncedSlots is the value of synchronized_standby_slots.
func (s *Cluster) WantedSyncedSlots() string {
	if !s.FailsOver() {
		return ""
	}
	var names []string
	for _, sb := range s.Cluster.Standbys {
		if sb.Upstream == s.Goal.Primary && sb.Slot != "" {
			names = append(names, sb.Slot)
		}
	}
	return strings.Join(names, ", ")
}

func (s *Cluster) LeavingSlotsAddress() topology.Address {
	return s.SyncedSlotsAddress().With(topology.PartLeaving)
}

// SetBySystem reports whether a value of n comes from ALTER SYSTEM.
func (s *Cluster) SetBySystem(n *topology.Node, name string) bool {
	server := s.Found(n).Server
	return server != nil && strings.HasSuffix(server.Settings[name].SourceFile, AutoConf)
}

// WrittenBySystem reports whether ALTER SYSTEM has left a line for a parameter in the files of n,
// which comes before what other files say as soon as the server reads it.
func (s *Cluster) WrittenBySystem(n *topology.Node, name string) bool {
	server := s.Found(n).Server
	return server != nil && slices.ContainsFunc(server.FileSettings, func(line facts.FileSetting) bool {
		return line.Name == name && strings.HasSuffix(line.File, AutoConf)
	})
}

func SameNames(a, b string) bool {
	return list.SameSet(SlotNames(a), SlotNames(b))
}

func SlotNames(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '"' })
}
