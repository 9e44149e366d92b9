package cluster

import (
	"slices"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/topology"
)

// SubscriptionAddresses are those of every subscription, wanted or on its way out.
func (s *Cluster) SubscriptionAddresses() []topology.Address {
	all := subscriptionBlocks(s.Topology)
	for _, m := range s.Ledgered() {
		all = append(all, s.Of(m.By).GoneAddress(m.Row))
	}
	return all
}

// PartnerAddresses are those of the subscriptions that have to do with the cluster, and
// of all that leave: whose publisher a subscription was that left the topology, nothing
// says any more.
func (s *Cluster) PartnerAddresses() []topology.Address {
	var all []topology.Address
	for _, sub := range s.Topology.Subscriptions {
		if sub.Cluster == s.Cluster || sub.Publisher() == s.Cluster {
			all = append(all, sub.Address())
		}
	}
	return append(all, list.Without(s.SubscriptionAddresses(), subscriptionBlocks(s.Topology))...)
}

// Subscription is a subscription with both of its sides.
type Subscription struct {
	*topology.Subscription
	Scope   *Cluster            // of the subscriber
	Source  *Cluster            // nil: outside of the topology
	Is      *facts.Subscription // nil: not there
	Local   *facts.Logical      // the subscriber's database; nil: not there yet
	Remote  *facts.Logical      // the publisher's; nil: not there yet, or outside
	Renamed string              // the name that it has, where the topology has another since
	Blind   bool                // the publisher could not be read
}

// SubscriptionOf returns a subscription as it is and is to be, under whichever of its names
// it is there; unknown if its database could not be read.
func (s *Cluster) SubscriptionOf(sub *topology.Subscription) (v *Subscription, unknown bool) {
	of := s.Of(sub.Cluster)
	local, unknown := of.Logical(sub.Database)
	return of.subscription(sub, local), unknown
}

func (s *Cluster) subscription(sub *topology.Subscription, local *facts.Logical) *Subscription {
	v := &Subscription{Subscription: sub, Scope: s, Local: local}
	if v.Is = local.Subscription(sub.Name); v.Is == nil {
		if earlier := s.Earlier("subscription", sub.Address(), sub.Database, sub.Name); local.Subscription(earlier) != nil {
			v.Is, v.Renamed = local.Subscription(earlier), earlier
		}
	}
	if c := sub.Publisher(); c != nil {
		v.Source = s.Of(c)
		v.Remote, v.Blind = v.Source.comes(sub.SourceDatabase(), nil)
	}
	return v
}

// Remade reports whether the user asked to make it anew.
func (v *Subscription) Remade() bool { return v.Scope.Replace[v.Address()] && v.Is != nil }

func (v *Subscription) TablesAddress() topology.Address {
	return v.Address().With(topology.PartTables)
}

// Definition is what makes the tables that are missing, where that is wanted.
func (v *Subscription) Definition() facts.Definition {
	if v.CopySchema != topology.CopySchemaMissing || v.Local == nil {
		return facts.Definition{}
	}
	if own := v.Local.Definitions[v.ID]; own.SQL != "" || own.Error != "" || v.Source == nil {
		return own
	}
	return v.definitionFrom()
}

// PublisherServer is its publisher's server, or nil: it was not read, or is outside of the topology.
func (v *Subscription) PublisherServer() *facts.Server {
	if v.Source == nil {
		return nil
	}
	return v.Source.Live()
}

// PublishedTables returns what the publications come to, in order.
func (v *Subscription) PublishedTables() []topology.TableName {
	var all []topology.TableName
	for _, p := range v.Publications {
		all = append(all, v.Remote.Published(p)...)
	}
	slices.SortFunc(all, topology.TableName.Compare)
	return slices.Compact(all)
}

// PublisherOf returns the node of the topology that a subscription connects to, where it
// can be reached; else nil.
func (s *Cluster) PublisherOf(is *facts.Subscription) *topology.Node {
	conn := conninfo.Map(is.ConnInfo.Reveal())
	for _, n := range s.Topology.Nodes {
		if s.Running(n) && (s.leads(s.Now.Leader, n, conn, s.PortInForce(n)) || s.leads(s.Now.Leader, n, conn, n.Port)) {
			return n
		}
	}
	return nil
}

// Severed says what became of a slot that the subscription cannot go on without, or "".
// Nothing but -replace gets it going then.
func (v *Subscription) Severed() string {
	if v.Is == nil || v.Remade() || v.Source == nil || v.Source.Live() == nil || v.Is.Options.SlotName != v.Options.SlotName {
		return ""
	}
	p := v.Source.Now.Leader
	switch slot := v.Source.FoundSlot(p, v.Options.SlotName); {
	case slot == nil:
		return "no longer exists on " + p.Name
	case slot.WALStatus == "lost":
		return "on " + p.Name + " has lost WAL that it needs"
	}
	return ""
}

// OtherSubscriptions counts those of the server that have a worker and that neither the
// topology names nor repltool removes.
func (s *Cluster) OtherSubscriptions() int {
	if s.Live() == nil {
		return 0
	}
	wanted := s.Subscriptions()
	return len(list.Kept(s.Live().Applying, func(a facts.SubscriptionName) bool {
		return !s.IsOurs(Object{"subscription", a.Name, a.Database}) && !slices.ContainsFunc(wanted, func(sub *topology.Subscription) bool {
			return sub.Name == a.Name && sub.Database == a.Database
		})
	}))
}

func (v *Subscription) GrantsAddress() topology.Address {
	return v.Address().With(topology.PartGrants)
}

// MadeSlot reports whether the ledger has the slot that the subscription uses now.
func (v *Subscription) MadeSlot() bool {
	if v.Source == nil || v.Is.Options.SlotName == "" {
		return false
	}
	return slices.ContainsFunc(v.Source.Managed("slot"), func(r Row) bool { return r.Name == v.Is.Options.SlotName })
}

// madeSubscription is a subscription in the ledger of the cluster that has it.
type madeSubscription struct {
	By *topology.Cluster
	Row
}

// Ledgered returns the subscriptions in the ledgers of all clusters.
func (w *World) Ledgered() []madeSubscription {
	return computeShared(w, "ledgered", w.madeSubscriptions)
}

func (w *World) madeSubscriptions() []madeSubscription {
	var all []madeSubscription
	for _, c := range w.Topology.Clusters {
		for _, m := range w.Of(c).Managed("subscription") {
			all = append(all, madeSubscription{c, m})
		}
	}
	return all
}
