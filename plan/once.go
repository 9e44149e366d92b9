package plan

import (
	"slices"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/topology"
)

// What many kinds ask of a cluster is computed once, when the first one asks: topology and
// facts do not change while a plan is built. A scope belongs to one goroutine, and nobody
// writes to a list or a map that it keeps.

// once keeps what was computed of one cluster.
type once struct {
	others         map[*topology.Cluster]*scope
	conf, hba      map[*facts.Host]confBlock
	parameters     map[*topology.Node]topology.Parameters
	derived, lines map[*topology.Node][]line
	rules          map[*topology.Node][]topology.HBARule
	ours, theirs   map[*topology.Node][]placedRule
	hbaText        map[*topology.Node]Text
	slots          []wantedSlot // nil: not computed
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

// confBlock is repltool's block in postgresql.conf as found, hbaBlock in pg_hba.conf.
func (s *scope) confBlock(h *facts.Host) confBlock {
	return compute(&s.once.conf, h, func() confBlock {
		b := blockOf(h.Conf.Text, s.cluster)
		b.settings = conftext.ParseConf(b.body())
		return b
	})
}

func (s *scope) hbaBlock(h *facts.Host) confBlock {
	return compute(&s.once.hba, h, func() confBlock { return blockOf(h.HBA.Text, s.cluster) })
}

// parametersOf answers what the topology wants on n.
func (s *scope) parametersOf(n *topology.Node) topology.Parameters {
	return compute(&s.once.parameters, n, func() topology.Parameters { return s.cluster.ParametersOf(n) })
}

// lines answers the wanted block of n in order of name, without
// synchronous_standby_names, which is written last, behind a gate.
func (s *scope) lines(n *topology.Node) []line {
	return compute(&s.once.lines, n, func() []line { return slices.Clip(s.wantedLines(n)) })
}

// derived answers what replication needs and the topology need not say.
func (s *scope) derived(n *topology.Node) []line {
	return compute(&s.once.derived, n, func() []line { return slices.Clip(s.derive(n)) })
}

// wantedRules answers the rules of the block in pg_hba.conf for n.
func (s *scope) wantedRules(n *topology.Node) []topology.HBARule {
	return compute(&s.once.rules, n, func() []topology.HBARule { return slices.Clip(s.blockRules(n)) })
}

// ourRules are the same as placed rules, theirRules those outside of the block, in the
// server's order.
func (s *scope) ourRules(n *topology.Node) []placedRule {
	return compute(&s.once.ours, n, func() []placedRule { return placedFirst(s.wantedRules(n)) })
}

func (s *scope) theirRules(n *topology.Node) []placedRule {
	return compute(&s.once.theirs, n, func() []placedRule { return slices.Clip(s.rulesOutside(n)) })
}

// hbaText is the body of the block in pg_hba.conf.
func (s *scope) hbaText(n *topology.Node) Text {
	return compute(&s.once.hbaText, n, func() Text { return s.rulesText(n) })
}

// wantedSlots answers every slot that the cluster is to have.
func (s *scope) wantedSlots() []wantedSlot {
	if s.once.slots == nil {
		s.once.slots = slices.Clip(append([]wantedSlot{}, s.slotsOfUsers()...))
	}
	return s.once.slots
}

// subscribers answers the subscriptions that this cluster publishes to.
func (s *scope) subscribers() []*topology.Subscription {
	if s.once.subscribers == nil {
		of := kept(s.topology.Subscriptions, func(sub *topology.Subscription) bool { return sub.Publisher() == s.cluster })
		s.once.subscribers = slices.Clip(append([]*topology.Subscription{}, of...))
	}
	return s.once.subscribers
}

// of answers the scope of another cluster of the same topology.
func (s *scope) of(c *topology.Cluster) *scope {
	if c == s.cluster {
		return s
	}
	return compute(&s.once.others, c, func() *scope { return s.shared.scope(c) })
}

// ledgerIndex is the ledger by what is asked of it.
type ledgerIndex struct {
	rows    []ledgerRow
	managed map[string][]row // by kind; of this cluster, and confirmed
	ours    map[object]bool  // those of managed
	intents []ledgerRow
}

// ledger answers what was read of the ledger.
func (s *scope) ledger() *ledgerIndex {
	if s.once.ledger != nil {
		return s.once.ledger
	}
	l := &ledgerIndex{rows: s.ledgerRows(), managed: map[string][]row{}, ours: map[object]bool{}}
	s.once.ledger = l
	for _, r := range l.rows {
		switch {
		case !s.clusterAddress.Contains(r.address):
		case r.intent != "":
			l.intents = append(l.intents, r)
		default:
			l.managed[r.kind] = append(l.managed[r.kind], r.row)
			l.ours[r.object] = true
		}
	}
	return l
}

// madeSubscription is a subscription in the ledger of the cluster that has it.
type madeSubscription struct {
	by *topology.Cluster
	row
}

// madeSubscriptions answers those of all clusters.
func (w *shared) madeSubscriptions() []madeSubscription {
	var all []madeSubscription
	for _, c := range w.topology.Clusters {
		for _, m := range w.scope(c).managed("subscription") {
			all = append(all, madeSubscription{c, m})
		}
	}
	return all
}
