package plan

import (
	"fmt"
	"slices"
	"time"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// A slot stands before the one who uses it and goes after it. Each standby has
// one on its upstream, named after the node; slot blocks are permanent ones on the
// primary. Slots that nobody declares are reported, never dropped, unless the
// ledger says that repltool made them (PostgreSQL docs, 27.2.6 "Replication Slots").

// wantedSlot is a physical slot and the node that it is wanted on.
type wantedSlot struct {
	topology.Slot
	on  *topology.Node
	fed *topology.Node // the standby that uses it; nil for a slot block
	// by is the subscription that uses it, or nil.
	by *topology.Subscription
}

// slotsOfUsers computes wantedSlots.
func (s *scope) slotsOfUsers() []wantedSlot {
	var all []wantedSlot
	for _, sb := range s.cluster.Standbys {
		if sb.Slot != "" {
			all = append(all, wantedSlot{Slot: topology.Slot{Name: sb.Slot, Type: topology.SlotPhysical, Range: sb.Range}, on: sb.Upstream, fed: sb.Node})
		}
	}
	for _, slot := range s.cluster.PermanentSlots {
		all = append(all, wantedSlot{Slot: *slot, on: s.cluster.Primary})
	}
	for _, sub := range s.subscribers() {
		all = append(all, s.slotFor(sub))
	}
	return all
}

func slots(s *scope, out *findings) {
	wanted := s.wantedSlots()
	for _, w := range wanted {
		if w.fed != nil && !s.found(w.fed).Complete() && s.running(w.on) && s.foundSlot(w.on, w.Name) == nil {
			continue // not compared: the standby is not known to need it
		}
		if s.running(w.on) || s.willRun(w.on) {
			out.put(s.slot(w, out))
		}
	}
	for _, n := range s.cluster.Members() {
		if s.running(n) {
			s.strangeSlots(n, wanted, out)
		}
	}
	s.goneSlots(wanted, out)
}

// foundSlot answers the slot on n, or nil.
func (s *scope) foundSlot(n *topology.Node, name string) *facts.Slot {
	if s.recloned(n) {
		return nil
	}
	return s.found(n).Server.Slot(name)
}

func (s *scope) slot(w wantedSlot, out *findings) *draft {
	d := newDraft(Create, s.address("slot", w.Name), w.on)
	d.after = []topology.Address{s.nodeAddress(w.on), s.ledgerAddress(), s.parametersAddress(w.on)}
	if s.cluster.Standby(w.on) != nil {
		d.after = append(d.after, s.standbyAddress(w.on))
	}
	found := s.foundSlot(w.on, w.Name)
	replaced := found != nil && w.by == nil && w.fed == nil && s.replace[d.Address]
	if replaced && found.Active {
		out.fail(w.Range, "Slot is in use", "slot %s on %s is in use by process %d. Stop its client before -replace=%s, which drops the slot and creates another.", ident(w.Name), w.on.Name, found.ActivePID, d.Address)
		return d
	}
	spent := replaced || found != nil && s.spent(w, found)
	if found != nil && !spent || !s.mayMake(w) {
		s.cameAlong(d, w, found)
		return d
	}
	if spent {
		d.Action, d.Reason = Replace, "it is older than its publication, and nobody has used it"
		if found.WALStatus == "lost" {
			d.Reason = "it has lost WAL that its user needs"
			d.differ("wal_status", ptr("lost"), ptr("reserved"), "")
		}
		if replaced {
			d.Reason = "recreated by -replace: its client has to start again from what it reads by itself"
			d.worsen(Drop)
		}
		s.freeSlot(d, w.on, w.Name)
		d.sql(w.on, "drop slot", "SELECT pg_drop_replication_slot("+literal(w.Name)+");")
	} else {
		d.differ("type", nil, ptr(w.Type), "")
		d.recreates(s.lostSlot(w))
	}
	here := s.slotRow(w.on, w.Name)
	d.sql(s.cluster.Primary, "intent", intend(here))
	// It holds WAL from now on: a copy that begins before its slot reserves can lose
	// the segment it begins with to a checkpoint of another copy.
	if w.Type == topology.SlotLogical {
		d.after = append(append(d.after, s.address("database", w.Database)), s.slotPublications(w)...)
		d.differ("plugin", nil, ptr(w.Plugin), "")
		d.differ("database", nil, ptr(w.Database), "")
		s.created(d, w.on, w.Database, "create slot", here, createSlotSQL(w))
		return d
	}
	s.created(d, w.on, maintenance, "create slot", here, "SELECT pg_create_physical_replication_slot("+literal(w.Name)+", true);")
	return d
}

// slotRow is a slot in the ledger. Its key names the node: while a standby moves,
// slots of one name stand on two.
func (s *scope) slotRow(n *topology.Node, name string) row {
	return row{s.nodeAddress(n).With(topology.PartSlot).With(name), object{"slot", name, n.Name}}
}

// strangeSlots reports the slots of n that nobody wants there.
func (s *scope) strangeSlots(n *topology.Node, wanted []wantedSlot, out *findings) {
	for _, slot := range s.found(n).Server.Slots {
		if slot.Temporary || slot.Synced || slotWanted(wanted, n, slot.Name) || s.isOurs(object{"slot", slot.Name, n.Name}) {
			continue
		}
		holds := ""
		if slot.RetainedBytes != nil {
			holds = ", holds back " + bytesText(*slot.RetainedBytes) + " of WAL"
		}
		if s.intent(object{"slot", slot.Name, n.Name}) != nil {
			holds += "; an apply that failed or was interrupted was to create it, and repltool cannot prove that it did: drop it once nothing needs it, SELECT pg_drop_replication_slot(" + literal(slot.Name) + ")"
		}
		out.tellUnmanaged(s.address("slot", slot.Name), n.Name, "%s slot %s, %s%s", slot.Type, ident(slot.Name), activity(slot), holds)
	}
}

func activity(slot facts.Slot) string {
	if slot.Active {
		return "in use"
	}
	return "not in use"
}

func slotWanted(wanted []wantedSlot, n *topology.Node, name string) bool {
	return slices.ContainsFunc(wanted, func(w wantedSlot) bool { return w.on == n && w.Name == name })
}

// goneSlots drops the slots that repltool made and that nobody wants any more,
// once whoever used them has left.
func (s *scope) goneSlots(wanted []wantedSlot, out *findings) {
	for _, m := range s.managed("slot") {
		n := s.topology.Node(m.in)
		switch {
		case n != nil && (slotWanted(wanted, n, m.name) || s.droppedWithRemake(m.name)):
		case n == nil || !s.running(n) && !s.recloned(n):
			out.tellUnmanaged(m.address, m.in, "slot %s, which repltool made on %s, is no longer wanted, and %s cannot be asked", ident(m.name), m.in, m.in)
		case s.tellKept(n, m.name, out), s.tellUnreadUser(n, m.name, out):
		default:
			moves := slices.ContainsFunc(wanted, func(w wantedSlot) bool { return w.Name == m.name })
			s.goneSlot(m, n, moves, out)
		}
	}
}

// goneSlot drops a slot; one that moves is wanted on another node.
func (s *scope) goneSlot(m row, n *topology.Node, moves bool, out *findings) {
	address := s.address("slot", m.name)
	if moves {
		address = m.address
	}
	found := s.foundSlot(n, m.name)
	if found != nil && found.Synced {
		found = nil // its primary's, on a node that was the primary once
	}
	if found != nil && found.Active && !s.leavesSlot(n, m.name) {
		out.tellHealth(Warning, address, "stop the standby that uses it, then apply again",
			"slot %s on %s is no longer wanted, but in use by process %d: it stays", ident(m.name), n.Name, found.ActivePID)
		out.unchanged++
		return
	}
	if user := s.heldBy(m.name); found != nil && found.Active && user != nil {
		out.tellHealth(Warning, address, "Run SELECT pg_wal_replay_resume() on "+user.Name+", then apply again.",
			"slot %s on %s is no longer wanted, but %s, whose replay is paused, uses it until then: it stays", ident(m.name), n.Name, user.Name)
		out.unchanged++
		return
	}
	d := s.gone(address, n, found != nil)
	d.after = append(append(d.after, s.syncAddress(), s.syncedSlotsAddress()), s.standbyAddresses()...)
	for _, sb := range s.cluster.Standbys {
		if s.isDown(sb.Node) && s.slotInUse(sb, n) == m.name {
			d.after = append(d.after, s.nodeAddress(sb.Node)) // it starts with another one
		}
	}
	d.after = append(d.after, s.subscriptionAddresses()...)
	if moves {
		d.after = append(d.after, s.address("slot", m.name)) // where it is now is written down first
	}
	if s.recloned(n) {
		d.Reason = "it goes with the data that are copied anew"
	}
	if found != nil {
		d.Reason = "nothing in the topology uses it, and repltool made it"
		if !moves && found.Type == topology.SlotPhysical {
			d.Reason += "; the data directory of who used it stays as it is"
		}
		for _, sb := range s.cluster.Standbys {
			if sb.Slot != "" && sb.Slot != m.name && s.slotInUse(sb, n) == m.name {
				d.Reason = sb.Node.Name + " uses slot " + ident(sb.Slot) + " instead" + s.perhapsRenamed(sb.Node, m.name)
			}
		}
		if found.Active {
			s.freeSlot(d, n, m.name)
		}
		d.sql(n, "drop slot", "SELECT pg_drop_replication_slot("+literal(m.name)+");")
	}
	d.sql(s.cluster.Primary, "strike out", forget(m.address))
	out.put(d)
}

// perhapsRenamed says how to rename a node, where the slot that it leaves has the name of
// none of the topology.
func (s *scope) perhapsRenamed(n *topology.Node, slot string) string {
	named := func(n *topology.Node) bool { return n.SlotName() == slot }
	if slices.ContainsFunc(s.topology.Nodes, named) || len(n.Earlier) > 0 {
		return ""
	}
	return fmt.Sprintf("; if node %s was renamed, add to the topology: moved { from = node.%s, to = %s } (each on its own line)", slot, slot, n.ID)
}

// heldBy answers the standby that uses a slot and keeps it while its replay is paused; or nil.
func (s *scope) heldBy(slot string) *topology.Node {
	for _, sb := range s.cluster.Standbys {
		if sb.Slot == slot && !s.recloned(sb.Node) && s.paused(sb.Node) {
			return sb.Node
		}
	}
	return nil
}

// freeSlot waits until nobody uses a slot.
func (s *scope) freeSlot(d *draft, n *topology.Node, name string) {
	longest := time.Duration(0)
	for _, sb := range s.cluster.Standbys {
		if sb.Slot == name || s.slotInUse(sb, n) == name {
			longest = s.delay(sb.Node) // a delayed standby moves once it has replayed what it has
		}
	}
	d.wait(n, "slot "+name+" is free", "SELECT NOT EXISTS (SELECT FROM pg_replication_slots WHERE active AND slot_name = "+literal(name)+")", streamTimeout+longest)
}

// lost tells whether a standby's slot has lost WAL that it needs: it cannot go on, if
// no archive has it, and is not waited for.
func (s *scope) lost(n *topology.Node) bool {
	sb := s.cluster.Standby(n)
	if sb == nil || sb.Slot == "" {
		return false
	}
	slot := s.foundSlot(sb.Upstream, sb.Slot)
	return slot != nil && slot.WALStatus == "lost"
}

// leavesSlot tells whether whoever uses a slot leaves it in this plan: a standby that gets
// another upstream or another slot, or a subscription that is dropped.
func (s *scope) leavesSlot(n *topology.Node, slot string) bool {
	for _, sb := range s.cluster.Standbys {
		if sb.Slot == slot || s.slotInUse(sb, n) == slot {
			return true
		}
	}
	return s.leavingSubscription(slot) != ""
}

// slotInUse answers the slot of n that a standby uses now, or used before it went down, or "".
func (s *scope) slotInUse(sb *topology.Standby, n *topology.Node) string {
	f := s.found(sb.Node)
	if s.isDown(sb.Node) && s.sameAddress(sb.Node, s.connNow(sb.Node)["host"], n.Address) {
		slot, _ := s.standbyValue(sb.Node, "primary_slot_name")
		return slot
	}
	if f.Server == nil || !f.Server.InRecovery || s.followed(sb) != n {
		return ""
	}
	return f.Server.InForce("primary_slot_name")
}

func (s *scope) standbyAddresses() []topology.Address {
	var all []topology.Address
	for _, sb := range s.cluster.Standbys {
		all = append(all, s.standbyAddress(sb.Node))
	}
	return all
}
