package cluster

import (
	"net/netip"
	"slices"
	"strconv"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/topology"
)

// What left the topology is removed only where it is known that no subscription goes on
// with it. The ledger says that repltool created a slot, a publication, a role or a
// database, not that nobody uses it: an inactive slot may belong to a subscription that is
// disabled, or whose server is down, and without it that one lacks rows for good. A
// subscription that this plan does not drop, or that may exist where nothing could be
// read, therefore keeps all that it needs: its slot, its publications, its rule of
// pg_hba.conf, the line of its password, the role it logs in as, and its database.

// FailsOver reports whether some logical slot of the cluster is to survive a failover.
func (s *Cluster) FailsOver() bool {
	if !s.AtLeast(17) {
		return false
	}
	return slices.ContainsFunc(s.WantedSlots(), func(w WantedSlot) bool { return w.Failover }) || s.keepsFailover()
}

// keepsFailover reports whether a failover slot stays that is not wanted any more (kept.go).
func (s *Cluster) keepsFailover() bool {
	n := s.Now.Leader
	return s.Running(n) && slices.ContainsFunc(s.Live().Slots, func(slot facts.Slot) bool {
		return slot.Failover && !slot.Synced && s.IsOurs(Object{"slot", slot.Name, n.Name}) &&
			!SlotWanted(s.WantedSlots(), s.Goal.Primary, slot.Name) && s.SlotUser(n, slot.Name) != nil
	})
}

// User is a subscription that the topology does not define and that this plan does not
// drop; or, where Is is nil, one that may exist in what could not be read.
type User struct {
	scope    *Cluster // of the subscriber
	database string   // of the subscriber; "" for any
	Is       *facts.Subscription
	Conn     map[string]string
	on       *topology.Node // that it connects to; nil for none of the topology, or unknown
	Who      string         // with the verb: "subscription orders uses"
	Hint     string
}

// Users returns all of them in this cluster.
func (s *Cluster) Users() []User {
	here := s.Leading().Name
	if s.Live() == nil {
		if s.IsNew() {
			return nil
		}
		return []User{{scope: s, Who: "the subscriptions of " + here + " could not be read, and one may use", Hint: "Apply again once " + here + " can be read."}}
	}
	var all []User
	databases := append(list.SortedKeys(s.Live().Logical), s.Live().Subscribing...)
	slices.Sort(databases)
	for _, database := range slices.Compact(databases) {
		found, unknown := s.Logical(database)
		if unknown {
			all = append(all, User{
				scope: s, database: database, Who: "database " + pg.Ident(database) + " on " + here + " could not be read, and a subscription there may use",
				Hint: "Apply again once the database can be read.",
			})
			continue
		}
		for i := range found.Subscriptions {
			if is := &found.Subscriptions[i]; s.remains(is, database) {
				all = append(all, User{
					scope: s, database: database, Is: is, Conn: conninfo.Map(is.ConnInfo.Reveal()), on: s.PublisherOf(is),
					Who:  "subscription " + pg.Ident(is.Name) + " in database " + pg.Ident(database) + " on " + here + ", which is not dropped, uses",
					Hint: "Write the subscription's block again, or drop it: " + s.dropByHand(is, database) + "Then apply again.",
				})
			}
		}
	}
	return all
}

// dropByHand says how to drop a subscription that is not repltool's to drop, with its slot
// where no plan drops that: nothing else would free the WAL that it holds back.
func (s *Cluster) dropByHand(is *facts.Subscription, database string) string {
	alter := "ALTER SUBSCRIPTION " + pg.Ident(is.Name)
	text := "on " + s.Leading().Name + " in database " + pg.Ident(database) + ", run\n  " + alter + " DISABLE;\n"
	slot, on := is.Options.SlotName, s.PublisherOf(is)
	if slot != "" {
		text += "  " + alter + " SET (slot_name = NONE);\n"
	}
	text += "  DROP SUBSCRIPTION " + pg.Ident(is.Name) + ";\n"
	switch {
	case slot == "":
	case on == nil:
		text += "Its slot " + pg.Ident(slot) + " stays on its publisher and holds back WAL: drop it there:\n  SELECT pg_drop_replication_slot(" + pg.Literal(slot) + ");\n"
	default:
		if of := s.Of(s.Topology.Cluster(on)); !of.IsOurs(Object{"slot", slot, on.Name}) && !SlotWanted(of.WantedSlots(), on, slot) {
			text += "Its slot " + pg.Ident(slot) + " stays and holds back WAL: on " + on.Name + ", run\n  SELECT pg_drop_replication_slot(" + pg.Literal(slot) + ");\n"
		}
	}
	return text
}

// remains reports whether a subscription is neither the topology's nor dropped by this plan.
func (s *Cluster) remains(is *facts.Subscription, database string) bool {
	if s.WantsSubscription(database, is.Name) {
		return false
	}
	for _, m := range s.Managed("subscription") {
		if m.In == database && m.Name == is.Name {
			return !s.Targeted(s.AddressOfRow(m.Address))
		}
	}
	return true
}

// userOf returns the first one, of any cluster, that uses or may use something on a node
// of this cluster; or nil.
func (s *Cluster) userOf(uses func(User) bool) *User {
	for _, c := range s.Topology.Clusters {
		for _, u := range s.Of(c).Users() {
			if (u.on == nil || slices.Contains(s.Cluster.Members(), u.on)) && uses(u) {
				return &u
			}
		}
	}
	return nil
}

// SlotUser returns who keeps a logical slot of n that is not wanted any more, or nil.
func (s *Cluster) SlotUser(n *topology.Node, name string) *User {
	found := s.FoundSlot(n, name)
	if found == nil || found.Type != topology.SlotLogical || found.Synced {
		return nil
	}
	u := s.userOf(func(u User) bool { return (u.on == nil || u.on == n) && (u.Is == nil || u.Is.Options.SlotName == name) })
	if u != nil {
		return u
	}
	if s.leftOver(n, name) {
		return nil
	}
	for _, c := range s.Consumers(name, found.Database) {
		if v := c.declared(); v != nil && !(s.Targeted(v.Address()) && (v.Attaches() || v.DropsSlot(name))) {
			return &User{scope: c.Scope, database: c.Database, Is: c.Is, on: n, Who: c.String() + " uses", Hint: "Write slot_name = " + strconv.Quote(name) + " in " + v.ID + ", or give it another slot."}
		}
	}
	return nil
}

// leftOver reports whether a slot of a standby is of the time when that was the primary: the one that
// leads now has the slot of that name, which the topology wants there.
func (s *Cluster) leftOver(n *topology.Node, name string) bool {
	lead := s.Now.Leader
	return lead != nil && n != lead && s.Goal.Primary == lead && SlotWanted(s.WantedSlots(), lead, name) && s.FoundSlot(lead, name) != nil
}

// PublicationUser returns who keeps a publication that is not wanted any more, or nil.
func (s *Cluster) PublicationUser(database, name string) *User {
	return s.userOf(func(u User) bool {
		return u.Is == nil || u.Conn["dbname"] == database && slices.Contains(u.Is.Publications, name)
	})
}

// RoleUser returns who keeps a role that left the topology, or nil: who may log in as it,
// or what it owns stays.
func (s *Cluster) RoleUser(name string) *User {
	found := s.Live().Role(name)
	if found == nil {
		return nil
	}
	for database, count := range found.Owns {
		if u := s.DatabaseUser(database); u != nil && count > 0 && database != "" {
			return u
		}
	}
	return s.userOf(func(u User) bool {
		return u.Conn["user"] == name || u.Is == nil && (found.Replication && found.Login || found.Superuser)
	})
}

// DatabaseUser returns who keeps a database that left the topology, or nil: who reads from
// it, or a subscription in it, with which PostgreSQL does not drop it.
func (s *Cluster) DatabaseUser(name string) *User {
	if s.Live().Database(name) == nil || s.Cluster.Database(name) != nil || !s.IsOurs(Object{Kind: "database", Name: name}) {
		return nil
	}
	found := s.Live().Logical[name]
	unread := found != nil && found.Error != nil || found == nil && slices.Contains(s.Live().Subscribing, name)
	used := unread || found != nil && len(found.Publications) > 0 || slices.ContainsFunc(s.Live().Slots, func(slot facts.Slot) bool {
		return slot.Type == topology.SlotLogical && slot.Database == name && !slot.Synced
	})
	for _, u := range s.Users() {
		if u.database == name {
			return &u
		}
	}
	return s.userOf(func(u User) bool { return u.Is == nil && used || u.Is != nil && u.Conn["dbname"] == name })
}

// isHost reports whether an address of a rule is that of one machine.
func isHost(address string) bool {
	p, err := netip.ParsePrefix(address)
	return err == nil && p.IsSingleIP()
}

// letsInUnread reports whether a rule may be for a machine that is to be let in and that
// could not be read: it may connect from another address than others reach it at.
func (s *Cluster) letsInUnread(r topology.HBARule) bool {
	same := func(database string, role *topology.Role) bool {
		return role != nil && slices.Equal(r.User, []string{conftext.LiteralUser(role.Name)}) && slices.Equal(r.Database, []string{database})
	}
	role := s.Cluster.Replication.Role
	if s.anyUnread(s.Cluster.Members()) && (same("replication", role) || s.FailsOver() && same(pg.Maintenance, role)) {
		return true
	}
	if s.anyUnreadStandby() && slices.Equal(r.Database, []string{"replication"}) && s.mayReplicate(r.User) {
		return true
	}
	return slices.ContainsFunc(s.Subscribers(), func(sub *topology.Subscription) bool {
		return s.anyUnread(sub.Cluster.Members()) && same(conftext.LiteralDatabase(sub.SourceDatabase()), sub.Role)
	})
}

// anyUnreadStandby reports whether a standby could not be read, whose connection this plan
// therefore does not change: it may log in by another role than the one wanted.
func (s *Cluster) anyUnreadStandby() bool {
	return slices.ContainsFunc(s.Cluster.Standbys, func(sb *topology.Standby) bool {
		f := s.Found(sb.Node)
		return f.Host == nil || f.Server == nil && f.ServerError != nil
	})
}

// mayReplicate reports whether a rule is for a role that exists and may replicate.
func (s *Cluster) mayReplicate(user []string) bool {
	if s.Live() == nil || len(user) != 1 {
		return false
	}
	r := s.Live().Role(unquoteHBA(user[0]))
	return r != nil && r.Login && (r.Replication || r.Superuser)
}

// anyUnread reports whether the machine of one of the nodes could not be read.
func (s *Cluster) anyUnread(nodes []*topology.Node) bool {
	return slices.ContainsFunc(nodes, func(n *topology.Node) bool { return s.Found(n).Host == nil })
}
