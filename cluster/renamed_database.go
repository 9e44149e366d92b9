package cluster

import (
	"slices"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
)

// RenamedTo returns the name that a database of the topology has now, where someone renamed
// it, and what proves that: its OID, a slot of a subscription that reads from it, or a
// subscription in it. "" where it exists, or nothing proves it.
func (s *Cluster) RenamedTo(name string) (now, evidence string) {
	if s.Live() == nil || s.Live().Database(name) != nil {
		return "", ""
	}
	for _, r := range s.Ledger().Rows {
		for _, db := range s.Live().Databases {
			if r.Kind == "database" && r.Name == name && r.Intent == "" && r.OID != 0 && db.OID == r.OID {
				return db.Name, "has the OID of the one that repltool created"
			}
		}
	}
	other := func(database string) bool { return database != name && s.Cluster.Database(database) == nil }
	for _, sub := range s.Subscribers() {
		slot := s.FoundSlot(s.Now.Leader, sub.Options.SlotName)
		if sub.SourceDatabase() == name && slot != nil && slot.Database != "" && other(slot.Database) {
			return slot.Database, "has replication slot " + pg.Ident(slot.Name) + ", by which " + sub.ID + " reads from it"
		}
	}
	for _, sub := range s.Subscriptions() {
		for _, database := range s.ReadDatabases() {
			same := func(is facts.Subscription) bool {
				return is.Name == sub.Name && is.Options.SlotName == sub.Options.SlotName
			}
			if sub.Database == name && other(database) && slices.ContainsFunc(s.Live().Logical[database].Subscriptions, same) {
				return database, "has " + sub.ID + " in it"
			}
		}
	}
	return "", ""
}
