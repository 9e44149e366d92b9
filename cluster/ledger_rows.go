package cluster

import (
	"slices"

	"github.com/repltool/repltool/topology"
)

// A moved block of the topology gives a cluster, node, publication or subscription
// another name. The rows of the ledger get the new name first, in one statement; every
// kind reads them as if they had it already, and changes a row only after that.

// Managed returns the ledger's rows of one kind in this cluster, without intents and
// without those of objects that someone has created again by hand.
func (s *Cluster) Managed(kind string) []Row {
	return s.Ledger().managed[kind]
}

// IsOurs reports whether the ledger has the object.
func (s *Cluster) IsOurs(o Object) bool {
	return s.Ledger().ours[o]
}

// MadeFor returns the ledger's address of an object that repltool created for a cluster under
// another name, which may be another topology's; or none.
func (s *Cluster) MadeFor(o Object) topology.Address {
	for _, r := range s.Ledger().Rows {
		if r.Object == o && r.Intent == "" && r.Address.Cluster != "" && !s.ClusterAddress.Contains(r.Address) && !s.Recreated(r) && !s.IsOurs(o) {
			return r.Address
		}
	}
	return topology.Address{}
}

// HasRow reports whether the ledger has a row at that address, whatever it stands for.
func (s *Cluster) HasRow(address topology.Address) bool {
	return slices.ContainsFunc(s.Ledger().Rows, func(r LedgerRow) bool { return r.Address == address })
}

// ledgerIndex is the ledger by what is asked of it.
type ledgerIndex struct {
	Rows    []LedgerRow
	managed map[string][]Row // by kind; of this cluster, confirmed, and not recreated by hand
	ours    map[Object]bool  // those of managed
	intents []LedgerRow
}

// LedgerLost reports whether repltool's blocks are on the primary and its ledger is not: what it
// created can no longer be told from what was there before.
func (s *Cluster) LedgerLost() bool {
	if s.Live() == nil || s.Live().Ledger != nil {
		return false
	}
	h := s.Found(s.Now.Leader).Host
	return h != nil && (s.ConfBlock(h).Found() || s.HBABlock(h).Found())
}

// Ledger returns what was read of the ledger.
func (s *Cluster) Ledger() *ledgerIndex {
	return compute(s, "ledger", s.Cluster, s.indexLedger)
}

func (s *Cluster) indexLedger() *ledgerIndex {
	l := &ledgerIndex{Rows: s.ledgerRows(), managed: map[string][]Row{}, ours: map[Object]bool{}}
	for _, r := range l.Rows {
		switch {
		case !s.ClusterAddress.Contains(r.Address):
		case r.Intent != "":
			l.intents = append(l.intents, r)
		case !s.Recreated(r):
			l.managed[r.Kind] = append(l.managed[r.Kind], r.Row)
			l.ours[r.Object] = true
		}
	}
	return l
}

// Earlier returns the name that the subscription at that address has now, where that is not
// the one of the topology: the ledger has another name, or its OID under another name, which
// someone gave it by hand; or a moved block has the name, of one that was adopted.
func (s *Cluster) Earlier(kind string, of topology.Address, database, name string) string {
	found, _ := s.Logical(database)
	for _, r := range s.Ledger().Rows {
		if r.Kind != kind || r.Intent != "" || r.Address != s.Row(of) || r.In != database || s.Recreated(r) {
			continue
		}
		if r.Name != name {
			return r.Name
		}
		return renamedByHand(found, r)
	}
	for _, sub := range s.Subscriptions() {
		for _, was := range sub.Earlier {
			if had := topology.ParseAddress(was).Name; sub.Address() == of && found.Subscription(name) == nil && found.Subscription(had) != nil {
				return had
			}
		}
	}
	return ""
}

// GoneAddress is the address of what leaves: beside that of what takes its place, if
// something does (a database of another name).
func (s *Cluster) GoneAddress(m Row) topology.Address {
	id := s.AddressOfRow(m.Address)
	if slices.Contains(blocks(s.Topology), id) {
		return id.With(topology.PartEarlier)
	}
	return id
}

// LedgerRow is a row under the names of today.
type LedgerRow struct {
	Row
	Was    topology.Address // its address in the ledger, where that is another one
	Intent string           // the WAL position of an intent (intent.go); "" for what was created
	At     string           // the WAL position at which a slot was confirmed; "" where the ledger does not tell
	OID    int64            // of what was created; 0 where the ledger does not tell
	Since  string
}

// ledgerRows returns all rows of the ledger. One that stands there under both names
// counts once, under the new one.
func (s *Cluster) ledgerRows() []LedgerRow {
	if s.Live() == nil || s.Live().Ledger == nil {
		return nil
	}
	managed := s.Live().Ledger.Managed
	rows := make([]LedgerRow, 0, len(managed))
	for _, m := range managed {
		r := s.Today(ParseRow(m))
		r.Intent, r.At, r.OID, r.Since = m.Intent, m.At, m.OID, m.Since
		if !r.Was.IsZero() && s.InLedger(r.Address) {
			continue
		}
		rows = append(rows, r)
	}
	return rows
}

func (s *Cluster) InLedger(address topology.Address) bool {
	text := address.String()
	for _, m := range s.Live().Ledger.Managed {
		if m.Address == text {
			return true
		}
	}
	return false
}

// Today returns a row under the names of today.
func (s *Cluster) Today(r Row) LedgerRow {
	now := LedgerRow{Row: r}
	if !s.renames {
		return now
	}
	for _, name := range s.Cluster.Earlier {
		if r.Address.Cluster == name {
			now.Address = now.Address.In(s.ClusterAddress)
		}
	}
	if !s.ClusterAddress.Contains(now.Address) {
		return now
	}
	if n := s.nodeOnce(r.In); r.Kind == "slot" && n != nil {
		now.Row = s.SlotRow(n, r.Name)
	}
	if r.Kind == "primary" {
		now.Name, now.In = s.nodeToday(r.Name), s.nodeToday(r.In)
	}
	id := s.AddressOfRow(now.Address)
	for _, of := range s.movedObjects() {
		for _, name := range of.earlier {
			if was := topology.ParseAddress(name); was.Contains(id) {
				now.Address.Name, now.Address.Key = of.id.Name, of.id.Key
			}
		}
	}
	if now.Address != r.Address || now.Object != r.Object {
		now.Was = r.Address
	}
	return now
}

// nodeOnce returns the node that had that name, or nil.
func (s *Cluster) nodeOnce(name string) *topology.Node {
	i := slices.IndexFunc(s.Topology.Nodes, func(n *topology.Node) bool { return slices.Contains(n.Earlier, name) })
	if name == "" || i < 0 {
		return nil
	}
	return s.Topology.Nodes[i]
}

// nodeToday returns the name that a node has now.
func (s *Cluster) nodeToday(name string) string {
	if n := s.nodeOnce(name); n != nil {
		return n.Name
	}
	return name
}

type movedObject struct {
	id      topology.Address
	earlier []string // addresses
}

// movedObjects are the publications and subscriptions of the cluster that moved.
func (s *Cluster) movedObjects() []movedObject {
	var all []movedObject
	for _, p := range s.Publications() {
		if len(p.Earlier) > 0 {
			all = append(all, movedObject{p.Address(), p.Earlier})
		}
	}
	for _, sub := range s.Subscriptions() {
		if len(sub.Earlier) > 0 {
			all = append(all, movedObject{sub.Address(), sub.Earlier})
		}
	}
	return all
}
