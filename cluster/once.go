package cluster

import (
	"slices"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// What many kinds ask of a cluster is computed once, when the first one asks: topology and
// facts do not change while a plan is built. A scope belongs to one goroutine, and nobody
// writes to a list or a map that it keeps.

// once keeps what was computed of one cluster.
type once struct {
	others         map[*topology.Cluster]*Cluster
	conf, hba      map[*facts.Host]ConfBlock
	parameters     map[*topology.Node]topology.Parameters
	derived, lines map[*topology.Node][]Line
	rules          map[*topology.Node][]topology.HBARule
	ours, theirs   map[*topology.Node][]PlacedRule
	hbaText        map[*topology.Node]plan.Text
	slots          []WantedSlot // nil: not computed
	subscribers    []*topology.Subscription
	ledger         *ledgerIndex
}

// compute answers the value of a key, which it keeps.
func compute[K comparable, V any](kept *map[K]V, key K, value func() V) V {
	if v, known := (*kept)[key]; known {
		return v
	}
	v := value()
	if *kept == nil {
		*kept = map[K]V{}
	}
	(*kept)[key] = v
	return v
}

// ConfBlock is repltool's block in postgresql.conf as found, hbaBlock in pg_hba.conf.
func (s *Cluster) ConfBlock(h *facts.Host) ConfBlock {
	return compute(&s.once.conf, h, func() ConfBlock {
		b := BlockOf(h.Conf.Text, s.Cluster)
		b.settings = conftext.ParseConf(b.Body())
		return b
	})
}

func (s *Cluster) HbaBlock(h *facts.Host) ConfBlock {
	return compute(&s.once.hba, h, func() ConfBlock { return BlockOf(h.HBA.Text, s.Cluster) })
}

// ParametersOf answers what the topology wants on n.
func (s *Cluster) ParametersOf(n *topology.Node) topology.Parameters {
	return compute(&s.once.parameters, n, func() topology.Parameters { return s.Cluster.ParametersOf(n) })
}

// Lines answers the wanted block of n in order of name, without
// synchronous_standby_names, which is written last, behind a gate.
func (s *Cluster) Lines(n *topology.Node) []Line {
	return compute(&s.once.lines, n, func() []Line { return slices.Clip(s.wantedLines(n)) })
}

// derived answers what replication needs and the topology need not say.
func (s *Cluster) derived(n *topology.Node) []Line {
	return compute(&s.once.derived, n, func() []Line { return slices.Clip(s.derive(n)) })
}

// wantedRules answers the rules of the block in pg_hba.conf for n.
func (s *Cluster) wantedRules(n *topology.Node) []topology.HBARule {
	return compute(&s.once.rules, n, func() []topology.HBARule { return slices.Clip(s.blockRules(n)) })
}

// OurRules are the same as placed rules, theirRules those outside of the block, in the
// server's order.
func (s *Cluster) OurRules(n *topology.Node) []PlacedRule {
	return compute(&s.once.ours, n, func() []PlacedRule { return placedFirst(s.wantedRules(n)) })
}

func (s *Cluster) TheirRules(n *topology.Node) []PlacedRule {
	return compute(&s.once.theirs, n, func() []PlacedRule { return slices.Clip(s.rulesOutside(n)) })
}

// HbaText is the body of the block in pg_hba.conf.
func (s *Cluster) HbaText(n *topology.Node) plan.Text {
	return compute(&s.once.hbaText, n, func() plan.Text { return s.rulesText(n) })
}

// WantedSlots answers every slot that the cluster is to have.
func (s *Cluster) WantedSlots() []WantedSlot {
	if s.once.slots == nil {
		s.once.slots = slices.Clip(append([]WantedSlot{}, s.slotsOfUsers()...))
	}
	return s.once.slots
}

// Subscribers answers the subscriptions that this cluster publishes to.
func (s *Cluster) Subscribers() []*topology.Subscription {
	if s.once.subscribers == nil {
		of := list.Kept(s.Topology.Subscriptions, func(sub *topology.Subscription) bool { return sub.Publisher() == s.Cluster })
		s.once.subscribers = slices.Clip(append([]*topology.Subscription{}, of...))
	}
	return s.once.subscribers
}

// Of answers the scope of another cluster of the same topology.
func (s *Cluster) Of(c *topology.Cluster) *Cluster {
	if c == s.Cluster {
		return s
	}
	return compute(&s.once.others, c, func() *Cluster { return s.shared.Scope(c) })
}

// ledgerIndex is the ledger by what is asked of it.
type ledgerIndex struct {
	Rows    []LedgerRow
	managed map[string][]Row // by kind; of this cluster, confirmed, and not recreated by hand
	ours    map[Object]bool  // those of managed
	intents []LedgerRow
}

// Ledger answers what was read of the ledger.
func (s *Cluster) Ledger() *ledgerIndex {
	if s.once.ledger != nil {
		return s.once.ledger
	}
	l := &ledgerIndex{Rows: s.ledgerRows(), managed: map[string][]Row{}, ours: map[Object]bool{}}
	s.once.ledger = l
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

// madeSubscription is a subscription in the ledger of the cluster that has it.
type madeSubscription struct {
	By *topology.Cluster
	Row
}

// madeSubscriptions answers those of all clusters.
func (w *shared) madeSubscriptions() []madeSubscription {
	var all []madeSubscription
	for _, c := range w.Topology.Clusters {
		for _, m := range w.Scope(c).Managed("subscription") {
			all = append(all, madeSubscription{c, m})
		}
	}
	return all
}
