package plan

import (
	"slices"
	"strings"

	"github.com/repltool/repltool/topology"
)

// A moved block of the topology gives a cluster, node, publication or subscription
// another name. The rows of the ledger get the new name first, in one statement; every
// kind reads them as if they had it already, and changes a row only after that.

// ledgerRow is a row under the names of today.
type ledgerRow struct {
	row
	was    topology.Address // its address in the ledger, where that is another one
	intent string           // the WAL position of an intent (intent.go); "" for what was created
}

// ledgerRows answers all rows of the ledger. One that stands there under both names
// counts once, under the new one.
func (s *scope) ledgerRows() []ledgerRow {
	if s.live() == nil || s.live().Ledger == nil {
		return nil
	}
	managed := s.live().Ledger.Managed
	rows := make([]ledgerRow, 0, len(managed))
	for _, m := range managed {
		r := s.today(parseRow(m))
		r.intent = m.Intent
		if !r.was.IsZero() && s.inLedger(r.address) {
			continue
		}
		rows = append(rows, r)
	}
	return rows
}

func (s *scope) inLedger(address topology.Address) bool {
	text := address.String()
	for _, m := range s.live().Ledger.Managed {
		if m.Address == text {
			return true
		}
	}
	return false
}

// today answers a row under the names of today.
func (s *scope) today(r row) ledgerRow {
	now := ledgerRow{row: r}
	if !s.renames {
		return now
	}
	for _, name := range s.cluster.Earlier {
		if r.address.Cluster == name {
			now.address = now.address.In(s.clusterAddress)
		}
	}
	if !s.clusterAddress.Contains(now.address) {
		return now
	}
	if n := s.nodeOnce(r.in); r.kind == "slot" && n != nil {
		now.row = s.slotRow(n, r.name)
	}
	id := s.addressOfRow(now.address)
	for _, of := range s.movedObjects() {
		for _, name := range of.earlier {
			if was := topology.ParseAddress(name); was.Contains(id) {
				now.address.Name, now.address.Key = of.id.Name, of.id.Key
			}
		}
	}
	if now.address != r.address || now.object != r.object {
		now.was = r.address
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
func (s *scope) nodeOnce(name string) *topology.Node {
	i := slices.IndexFunc(s.topology.Nodes, func(n *topology.Node) bool { return slices.Contains(n.Earlier, name) })
	if name == "" || i < 0 {
		return nil
	}
	return s.topology.Nodes[i]
}

type movedObject struct {
	id      topology.Address
	earlier []string // addresses
}

// movedObjects are the publications and subscriptions of the cluster that moved.
func (s *scope) movedObjects() []movedObject {
	var all []movedObject
	for _, p := range s.publications() {
		if len(p.Earlier) > 0 {
			all = append(all, movedObject{p.Address(), p.Earlier})
		}
	}
	for _, sub := range s.subscriptions() {
		if len(sub.Earlier) > 0 {
			all = append(all, movedObject{sub.Address(), sub.Earlier})
		}
	}
	return all
}

// renameRows gives the rows of the ledger the names of today.
func (s *scope) renameRows(d *draft) {
	var values []string
	var twice []topology.Address
	for _, m := range s.live().Ledger.Managed {
		r := s.today(parseRow(m))
		r.intent = m.Intent
		switch {
		case r.was.IsZero():
		case s.inLedger(r.address) && r.address != r.was:
			twice = append(twice, r.was)
		default:
			values = append(values, "("+literal(r.was.String())+", "+literal(r.address.String())+", "+literal(r.text())+")")
		}
	}
	var statements []string
	if len(twice) > 0 {
		statements = append(statements, forget(twice...))
	}
	if len(values) > 0 {
		statements = append(statements, "UPDATE repltool.managed m SET address = v.address, object = v.object\n"+
			"  FROM (VALUES "+strings.Join(values, ",\n    ")+") v (was, address, object)\n  WHERE m.address = v.was;")
	}
	if len(statements) > 0 {
		d.Action, d.Reason = Update, "what repltool made gets the names that the topology has now"
		d.sql(s.cluster.Primary, "rename in the ledger", statements...)
	}
}
