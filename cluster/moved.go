package cluster

import (
	"slices"

	"github.com/repltool/repltool/topology"
)

// A moved block of the topology gives a cluster, node, publication or subscription
// another name. The rows of the ledger get the new name first, in one statement; every
// kind reads them as if they had it already, and changes a row only after that.

// LedgerRow is a row under the names of today.
type LedgerRow struct {
	Row
	Was    topology.Address // its address in the ledger, where that is another one
	Intent string           // the WAL position of an intent (intent.go); "" for what was created
	Oid    int64            // of what was created; 0 where the ledger does not tell
	Since  string
}

// ledgerRows answers all rows of the ledger. One that stands there under both names
// counts once, under the new one.
func (s *Cluster) ledgerRows() []LedgerRow {
	if s.Live() == nil || s.Live().Ledger == nil {
		return nil
	}
	managed := s.Live().Ledger.Managed
	rows := make([]LedgerRow, 0, len(managed))
	for _, m := range managed {
		r := s.Today(ParseRow(m))
		r.Intent, r.Oid, r.Since = m.Intent, m.OID, m.Since
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

// Today answers a row under the names of today.
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

// anyMoved tells whether the topology has moved blocks that lead to something.
func anyMoved(t *topology.Topology) bool {
	return slices.ContainsFunc(t.Nodes, func(n *topology.Node) bool { return len(n.Earlier) > 0 }) ||
		slices.ContainsFunc(t.Clusters, func(c *topology.Cluster) bool { return len(c.Earlier) > 0 }) ||
		slices.ContainsFunc(t.Publications, func(p *topology.Publication) bool { return len(p.Earlier) > 0 }) ||
		slices.ContainsFunc(t.Subscriptions, func(sub *topology.Subscription) bool { return len(sub.Earlier) > 0 })
}

// nodeOnce answers the node that had that name, or nil.
func (s *Cluster) nodeOnce(name string) *topology.Node {
	i := slices.IndexFunc(s.Topology.Nodes, func(n *topology.Node) bool { return slices.Contains(n.Earlier, name) })
	if name == "" || i < 0 {
		return nil
	}
	return s.Topology.Nodes[i]
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
