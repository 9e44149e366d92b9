package cluster

import (
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/topology"
)

// A logical slot has one consumer: what a second subscription receives from it, the first
// one never gets. Every subscription that was read counts, enabled or not, in any database
// of any cluster and under any name, since a slot that is not active may be that of a
// subscription that is disabled (PostgreSQL docs, 47.2.2 "Replication Slots"). A slot
// therefore belongs to a subscription only where no other one uses it, and none of the
// topology is to.

// Consumer is a subscription that uses a logical slot.
type Consumer struct {
	Scope    *Cluster // of the subscriber
	Database string
	Is       *facts.Subscription
	Host     string // that it connects to, where this is not known to be the publisher; else ""
}

func (c Consumer) String() string {
	return "subscription " + pg.Ident(c.Is.Name) + " in database " + pg.Ident(c.Database) + " on " + c.Scope.Leading().Name
}

// Consumers returns the subscriptions that were read and that use a slot of this cluster.
// One that connects to a host of which nobody can tell whether it is one of the cluster's
// counts too, where it connects to the database of the slot.
func (s *Cluster) Consumers(slot, database string) []Consumer {
	var all []Consumer
	for _, u := range s.slotUses()[slot] {
		of := s.Of(u.of)
		if host, may := of.mayConnect(u.is, s, database); may {
			all = append(all, Consumer{of, u.database, u.is, host})
		}
	}
	return all
}

// Copier returns the subscription, of those that were read, for whose initial table copy
// PostgreSQL made that slot; or nil.
func (w *World) Copier(slot string) *Consumer {
	oid, system, ok := pg.CopySlot(slot)
	if !ok {
		return nil
	}
	for _, c := range w.Topology.Clusters {
		of := w.Of(c)
		if of.Live() == nil || of.Live().SystemIdentifier != system {
			continue
		}
		for _, in := range of.ReadDatabases() {
			found := of.Live().Logical[in]
			for i := range found.Subscriptions {
				if is := &found.Subscriptions[i]; is.OID == oid {
					return &Consumer{Scope: of, Database: in, Is: is}
				}
			}
		}
	}
	return nil
}

// Managed reports whether the topology defines it, or repltool created it.
func (c Consumer) Managed() bool {
	return c.Scope.WantsSubscription(c.Database, c.Is.Name) || c.Scope.IsOurs(Object{"subscription", c.Is.Name, c.Database})
}

// slotUse is a subscription that names a slot, of whichever publisher.
type slotUse struct {
	of       *topology.Cluster
	database string
	is       *facts.Subscription
}

// slotUses returns those of all clusters, by the name of the slot.
func (w *World) slotUses() map[string][]slotUse {
	return computeShared(w, "slot uses", func() map[string][]slotUse {
		all := map[string][]slotUse{}
		for _, c := range w.Topology.Clusters {
			of := w.Of(c)
			for _, in := range of.ReadDatabases() {
				found := of.Live().Logical[in]
				for i := range found.Subscriptions {
					is := &found.Subscriptions[i]
					all[is.Options.SlotName] = append(all[is.Options.SlotName], slotUse{c, in, is})
				}
			}
		}
		return all
	})
}

// mayConnect reports whether a subscription of this cluster connects to another one, or may:
// its host is then a name that could not be resolved.
func (s *Cluster) mayConnect(is *facts.Subscription, to *Cluster, database string) (host string, may bool) {
	conn := conninfo.Map(is.ConnInfo.Reveal())
	for _, one := range hostsOf(conn) {
		for _, n := range to.Cluster.Members() {
			if s.leads(s.Now.Leader, n, one, to.PortInForce(n)) || s.leads(s.Now.Leader, n, one, n.Port) {
				return "", true
			}
		}
		name := one["host"]
		if one["hostaddr"] == "" && conn["dbname"] == database && !pg.IsAddress(name) && len(s.Resolve(s.Now.Leader, name)) == 0 && !s.isNode(name) {
			host, may = name, true
		}
	}
	return host, may
}

// isNode reports whether a name is the address of a node of the topology.
func (s *Cluster) isNode(name string) bool {
	return slices.ContainsFunc(s.Topology.Nodes, func(n *topology.Node) bool { return pg.SameHost(n.Address, name) })
}

// hostsOf returns a connection for each of the hosts that a connection string names.
func hostsOf(conn map[string]string) []map[string]string {
	hosts, addresses, ports := strings.Split(conn["host"], ","), strings.Split(conn["hostaddr"], ","), strings.Split(conn["port"], ",")
	at := func(list []string, i int) string {
		if len(list) == 1 {
			return list[0]
		} else if i < len(list) {
			return list[i]
		}
		return ""
	}
	var all []map[string]string
	for i := range max(len(hosts), len(addresses)) {
		all = append(all, map[string]string{"host": at(hosts, i), "hostaddr": at(addresses, i), "port": at(ports, i)})
	}
	return all
}

// declared returns the subscription of the topology that it is, or nil.
func (c Consumer) declared() *Subscription {
	for _, sub := range c.Scope.Subscriptions() {
		if sub.Database != c.Database {
			continue
		}
		if v := c.Scope.subscription(sub, c.Scope.Live().Logical[c.Database]); v.Is == c.Is {
			return v
		}
	}
	return nil
}

// TakenBy returns another subscription that uses that slot of the publisher, or nil.
func (v *Subscription) TakenBy(slot string) *Consumer {
	if slot == "" {
		return nil
	}
	for _, c := range v.consumers(slot) {
		if c.Is != v.Is {
			return &c
		}
	}
	return nil
}

// consumers are those of a slot of its publisher, in the topology or not.
func (v *Subscription) consumers(slot string) []Consumer {
	if v.Source != nil {
		return v.Source.Consumers(slot, v.SourceDatabase())
	}
	var all []Consumer
	to := v.Conn()
	for _, in := range v.Scope.ReadDatabases() {
		found := v.Scope.Live().Logical[in]
		for i := range found.Subscriptions {
			is := &found.Subscriptions[i]
			conn := conninfo.Map(is.ConnInfo.Reveal())
			if is.Options.SlotName == slot && pg.SameHost(conn["host"], to["host"]) && pg.PortOf(conn) == pg.PortOf(to) {
				all = append(all, Consumer{v.Scope, in, is, ""})
			}
		}
	}
	return all
}

// wantedByOther reports whether another subscription of the topology, or a slot block, is to
// use that slot of the publisher; one that uses another slot now does not count.
func (v *Subscription) wantedByOther(slot string) bool {
	if v.Source.DeclaresSlot(slot) {
		return true
	}
	return slices.ContainsFunc(v.Source.Subscribers(), func(other *topology.Subscription) bool {
		if other.ID == v.ID || other.Options.SlotName != slot {
			return false
		}
		theirs, _ := v.Source.SubscriptionOf(other)
		is := theirs.Is
		return is == nil || is.Options.SlotName == slot || is.Options.SlotName == ""
	})
}

// HasSlot reports whether the slot that it uses now, under another name than the topology has
// for it, is its own: repltool created it, for its database, and nothing else uses it or is
// to use it.
func (v *Subscription) HasSlot() bool {
	if v.Is == nil || !v.MadeSlot() {
		return false
	}
	slot := v.Is.Options.SlotName
	found := v.Source.FoundSlot(v.Source.Now.Leader, slot)
	return (found == nil || found.Database == v.SourceDatabase()) && v.TakenBy(slot) == nil && !v.wantedByOther(slot)
}

// KeepsSlot reports whether it continues with the slot that it has, which is not named as the
// topology names it: a slot cannot be renamed. One that was given another slot by hand,
// while its own is still there, does not.
func (v *Subscription) KeepsSlot() bool {
	switch {
	case v.Is == nil || v.Source == nil || v.Is.Options.SlotName == "" || v.Is.Options.SlotName == v.Options.SlotName || v.Scope.Replace[v.Address()]:
		return false
	case v.Lifecycle.Ignores("slot_name"):
		return true
	case v.NamesSlot() || !v.HasSlot():
		return false
	}
	n := v.Source.Now.Leader
	own := v.Source.FoundSlot(n, v.Options.SlotName) != nil && v.Source.IsOurs(Object{"slot", v.Options.SlotName, n.Name})
	return !own || v.TakenBy(v.Options.SlotName) != nil
}

// Attaches reports whether a subscription gets its slot back: its slot_name was set by hand to
// NONE, or to a slot of another database, by which it can have received nothing. Its own
// slot has to be there, with all WAL, and used by nobody.
func (v *Subscription) Attaches() bool {
	if v.Is == nil || v.Is.Options.SlotName == v.Options.SlotName || v.Source == nil || v.Remade() || v.Lifecycle.Ignores("slot_name") {
		return false
	}
	p := v.Source.Now.Leader
	if has := v.Is.Options.SlotName; has != "" {
		if now := v.Source.FoundSlot(p, has); now == nil || now.Type != topology.SlotLogical || now.Database == v.SourceDatabase() {
			return false
		}
	}
	slot := v.Source.FoundSlot(p, v.Options.SlotName)
	return slot != nil && !slot.Active && slot.WALStatus != "lost" && slot.Database == v.SourceDatabase() && v.TakenBy(slot.Name) == nil &&
		(!v.CreateSlot || v.Source.IsOurs(Object{"slot", slot.Name, p.Name}))
}

// DropsSlot reports whether a subscription that is recreated drops that slot of its
// publisher with it: only its own, never one that something else uses or is to use.
func (v *Subscription) DropsSlot(name string) bool {
	if !v.Remade() || v.Source == nil || !v.CreateSlot || name == "" || v.TakenBy(name) != nil || v.wantedByOther(name) {
		return false
	}
	w := v.Source.SlotFor(v.Subscription)
	found := v.Source.FoundSlot(v.Source.Now.Leader, name)
	if name == w.Name {
		return found == nil || found.Database == v.SourceDatabase() || v.leavesSlot(found)
	}
	w.Name = name
	return found == nil && v.Is.Options.SlotName == name || found != nil && found.Database == v.SourceDatabase() && v.Source.MayUse(w, found)
}

// leavesSlot reports whether a slot is the one that the subscription received by in another
// database of its publisher, and that repltool created for it.
func (v *Subscription) leavesSlot(found *facts.Slot) bool {
	if v.Is.Options.SlotName != found.Name || v.ConnNow()["dbname"] != found.Database || !v.Source.IsOurs(Object{"slot", found.Name, v.Source.Now.Leader.Name}) {
		return false
	}
	return slices.ContainsFunc(hostsOf(v.ConnNow()), func(one map[string]string) bool {
		n := v.Scope.nodeAt(one)
		return n != nil && v.Source.sameServer(n)
	})
}

// DroppedWithRemake reports whether a subscription that is recreated, with a slot of
// another name, drops the slot itself.
func (s *Cluster) DroppedWithRemake(slot string) bool {
	return slices.ContainsFunc(s.Subscribers(), func(sub *topology.Subscription) bool {
		v, _ := s.SubscriptionOf(sub)
		return v.DropsSlot(slot) && v.Is.Options.SlotName == slot
	})
}
