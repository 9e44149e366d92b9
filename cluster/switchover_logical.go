package cluster

import (
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/topology"
)

// The logical slots of the old primary are to be on the new one before it leads: a slot that is
// made after the promotion has none of what was written before. A failover slot is there, copied
// by PostgreSQL 17. Of any other one PostgreSQL 16 can make its like on a standby, and nothing
// is skipped as long as that one begins before the position of its consumer. Subscriptions
// and publications are in the data (PostgreSQL docs, 47.2.3 "Replication Slot Synchronization"
// and 47.2.2 "Replication Slots").

// LogicalSlots are those of the old primary.
func (s *Cluster) LogicalSlots(m *Switchover) []facts.Slot {
	return list.Kept(s.Found(m.From).Server.Slots, func(slot facts.Slot) bool { return slot.Type == topology.SlotLogical && !slot.Temporary })
}

// CopiedSlots are the failover slots among them.
func (s *Cluster) CopiedSlots(m *Switchover) []facts.Slot {
	return list.Kept(s.LogicalSlots(m), func(slot facts.Slot) bool { return slot.Failover })
}

// TwinSlots are the others: each has one of the same name on the new primary, which a move makes.
func (s *Cluster) TwinSlots(m *Switchover) []facts.Slot {
	return list.Kept(s.LogicalSlots(m), func(slot facts.Slot) bool { return !slot.Failover })
}

// TwinsToMake are those of them that the new primary has not yet.
func (s *Cluster) TwinsToMake(m *Switchover) []facts.Slot {
	return list.Kept(s.TwinSlots(m), func(slot facts.Slot) bool { return s.FoundSlot(m.To, slot.Name) == nil })
}

// TwinsToConfirm are those that an apply made there and died before it had confirmed them: such
// a slot begins where replay was, after the intent had been replayed.
func (s *Cluster) TwinsToConfirm(m *Switchover) []facts.Slot {
	return list.Kept(s.TwinSlots(m), func(slot facts.Slot) bool {
		found := s.FoundSlot(m.To, slot.Name)
		i := slices.IndexFunc(s.rowsOf(s.Found(m.From).Server), func(r LedgerRow) bool { return r.Row == s.SlotRow(m.To, slot.Name) && r.Intent != "" })
		if found == nil || i < 0 || found.Active || found.WALStatus == "lost" || found.Plugin != slot.Plugin || found.Database != slot.Database {
			return false
		}
		intent, ok := facts.LSN(s.rowsOf(s.Found(m.From).Server)[i].Intent)
		begins, reserved := facts.LSN(found.RestartLSN)
		return ok && reserved && begins >= intent
	})
}

// TwinOf reports whether the slot of that name on the new primary is one that a move made.
func (s *Cluster) TwinOf(m *Switchover, slot facts.Slot) bool {
	same := func(other facts.Slot) bool { return other.Name == slot.Name }
	return s.IsOurs(Object{"slot", slot.Name, m.To.Name}) || slices.ContainsFunc(s.TwinsToConfirm(m), same)
}

// CopiedRows are the ledger's rows of the failover slots that repltool made on the old primary, on
// the new one.
func (s *Cluster) CopiedRows(m *Switchover) []Row {
	var all []Row
	for _, slot := range s.CopiedSlots(m) {
		if s.IsOurs(Object{"slot", slot.Name, m.From.Name}) {
			all = append(all, s.SlotRow(m.To, slot.Name))
		}
	}
	return all
}

// SyncedOnFrom returns the slots that logical replication from the old primary waits for, now and
// while its standbys have gone under the new one: it would stand still for a slot that nobody
// uses. The same as before where that changes nothing.
func (s *Cluster) SyncedOnFrom(m *Switchover) (before, while string) {
	before = s.Found(m.From).Server.InForce(SyncedSlots)
	gone := map[string]bool{}
	for _, sb := range s.Rotates(m) {
		gone[s.slotBefore(sb.Node)] = true
	}
	names := SlotNames(before)
	stay := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return gone[name] })
	if len(stay) == len(names) {
		return before, before
	}
	return before, strings.Join(stay, ", ")
}

// ListsSlots reports whether ALTER SYSTEM has set on the old primary which slots logical
// replication waits for; a move does so too.
func (s *Cluster) ListsSlots(m *Switchover) bool {
	before, while := s.SyncedOnFrom(m)
	return before != while || s.WrittenBySystem(m.From, SyncedSlots)
}

// logicalAfter brings the logical slots over to the new primary.
func (s *Cluster) logicalAfter(to *facts.Node, m *Switchover) {
	for i := range to.Server.Slots {
		to.Server.Slots[i].Synced = false
	}
	for _, slot := range s.TwinsToMake(m) {
		slot.Active, slot.ActivePID = false, 0
		to.Server.Slots = append(to.Server.Slots, slot)
	}
}

// logicalGone takes from the old primary what only a primary has of logical replication.
func (s *Cluster) logicalGone(from *facts.Node, m *Switchover) {
	from.Server.Slots = slices.DeleteFunc(from.Server.Slots, func(slot facts.Slot) bool { return slot.Type == topology.SlotLogical && !slot.Temporary })
	if s.ListsSlots(m) {
		resetSystem(from, SyncedSlots)
	}
}

// resetSystem removes a parameter as ALTER SYSTEM RESET does: what another file says is in force
// then, or nothing.
func resetSystem(f *facts.Node, name string) {
	f.Server.FileSettings = slices.DeleteFunc(slices.Clone(f.Server.FileSettings), func(line facts.FileSetting) bool {
		return line.Name == name && strings.HasSuffix(line.File, AutoConf)
	})
	setting := f.Server.Settings[name]
	setting.Value, setting.Source, setting.SourceFile, setting.SourceLine = setting.Boot, "default", "", 0
	if line, ok := LastLines(f.Server)[name]; ok {
		setting.Value, setting.Source, setting.SourceFile, setting.SourceLine = line.Value, "configuration file", line.File, line.Line
	}
	f.Server.Settings[name] = setting
}
