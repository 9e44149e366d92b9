package cluster

import (
	"time"

	"github.com/repltool/repltool/topology"
)

// An object that was dropped and created again by hand has the name that the ledger has, and
// is not the one that repltool created: it is adopted, or unmanaged, and stays. A database, a
// role and a subscription are known by their OID. A replication slot has none: the directory
// of the slot is younger than the ledger's row, where the data directory is older and so was
// not copied since. A row of an earlier version of repltool has no OID, and stands for the
// name.

// Recreated reports whether the object of a row exists and is another one.
func (s *Cluster) Recreated(r LedgerRow) bool {
	is := int64(0)
	switch r.Kind {
	case "database":
		if found := s.Live().Database(r.Name); found != nil {
			is = found.OID
		}
	case "role":
		if found := s.Live().Role(r.Name); found != nil {
			is = found.OID
		}
	case "subscription":
		found, _ := s.Logical(r.In)
		if sub := found.Subscription(r.Name); sub != nil {
			is = sub.OID
		}
	case "slot":
		return s.recreatedSlot(r)
	}
	return r.OID != 0 && is != 0 && is != r.OID
}

// recreatedSlot is of logical slots of the member that leads, whose clock dated the row.
func (s *Cluster) recreatedSlot(r LedgerRow) bool {
	const skew = 10 // seconds by which a clock may have been set between the two
	h, found := s.Found(s.Now.Leader).Host, s.Live().Slot(r.Name)
	since, err := time.Parse("2006-01-02 15:04:05.999999-07", r.Since)
	if h == nil || found == nil || found.Type != topology.SlotLogical || r.In != s.Now.Leader.Name || err != nil || h.Created == 0 {
		return false
	}
	return h.Created < since.Unix() && h.SlotsCreated[r.Name] > since.Unix()+skew
}
