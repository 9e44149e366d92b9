package streaming

import (
	"slices"

	"github.com/repltool/repltool/doctor"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// A slot stands before the one who uses it and goes after it. Each standby has
// one on its upstream, named after the node; slot blocks are permanent ones on the
// primary. Slots that nobody declares are reported, never dropped, unless the
// ledger says that repltool made them (PostgreSQL docs, 27.2.6 "Replication Slots").

func Slots(s *cluster.Cluster, out *draft.Findings) {
	wanted := s.WantedSlots()
	for _, w := range wanted {
		if w.Fed != nil && !s.Found(w.Fed).Complete() && s.Running(w.On) && s.FoundSlot(w.On, w.Name) == nil {
			continue // not compared: the standby is not known to need it
		}
		if s.Running(w.On) || s.WillRun(w.On) {
			out.Put(slot(s, w, out))
		}
	}
	for _, n := range s.Cluster.Members() {
		if s.Running(n) {
			unmanagedSlots(s, n, wanted, out)
		}
	}
	goneSlots(s, wanted, out)
}

func slot(s *cluster.Cluster, w cluster.WantedSlot, out *draft.Findings) *draft.Draft {
	d := draft.NewDraft(plan.Create, s.Address("slot", w.Name), w.On)
	d.Needs = append(s.Basis(w.On), s.NodeAddress(w.On), s.LedgerAddress())
	d.After = []topology.Address{s.ParametersAddress(w.On)}
	if s.Cluster.Standby(w.On) != nil {
		d.Needs = append(d.Needs, s.StandbyAddress(w.On))
	}
	found := s.FoundSlot(w.On, w.Name)
	replaced := found != nil && w.By == nil && w.Fed == nil && s.Replace[d.Address]
	if replaced && found.Active {
		out.Fail(w.Range, "Slot in use", "slot %s on %s is in use by process %d. Stop its client before you apply -replace=%s, which drops the slot "+
			"and creates it again.", pg.Ident(w.Name), w.On.Name, found.ActivePID, d.Address)
		return d
	}
	spent := replaced || found != nil && s.Spent(w, found)
	if found != nil && !spent || !s.MayMake(w) {
		cameAlong(s, d, w, found)
		return d
	}
	if spent {
		d.Action, d.Reason = plan.Replace, "it is older than its publication, and has never been used"
		if found.WALStatus == "lost" {
			d.Reason = "it has lost WAL that its client needs"
			d.Differ("wal_status", plan.Ptr("lost"), plan.Ptr("reserved"), "")
		}
		if replaced {
			d.Reason = "recreated because of -replace: its client must be re-initialized, because the new slot has none of the " +
				"earlier changes"
			d.Worsen(plan.Drop)
		}
		draft.FreeSlot(s, d, w.On, w.Name)
		d.SQL(w.On, "drop slot", "SELECT pg_drop_replication_slot("+pg.Literal(w.Name)+");")
	} else {
		d.Differ("type", nil, plan.Ptr(w.Type), "")
		d.MarkRecreated(s.LostSlot(w))
	}
	here := s.SlotRow(w.On, w.Name)
	d.SQL(s.Goal.Primary, "record the intent to create", cluster.Intend(here))
	// It holds WAL from now on: a copy that begins before its slot reserves can lose
	// the segment it begins with to a checkpoint of another copy.
	if w.Type == topology.SlotLogical {
		d.Needs = append(append(d.Needs, s.Address("database", w.Database)), s.SlotPublications(w)...)
		d.Differ("plugin", nil, plan.Ptr(w.Plugin), "")
		d.Differ("database", nil, plan.Ptr(w.Database), "")
		draft.Created(s, d, w.On, w.Database, "create slot", here, draft.CreateSlotSQL(w))
		return d
	}
	draft.Created(s, d, w.On, pg.Maintenance, "create slot", here, "SELECT pg_create_physical_replication_slot("+pg.Literal(w.Name)+", true);")
	return d
}

// unmanagedSlots reports the slots of n that nobody wants there.
func unmanagedSlots(s *cluster.Cluster, n *topology.Node, wanted []cluster.WantedSlot, out *draft.Findings) {
	for _, slot := range s.Found(n).Server.Slots {
		if slot.Temporary || slot.Synced || cluster.SlotWanted(wanted, n, slot.Name) || s.IsOurs(cluster.Object{Kind: "slot", Name: slot.Name, In: n.Name}) {
			continue
		}
		if c := s.Copier(slot.Name); c != nil && c.Managed() {
			continue // PostgreSQL drops it at the end of the copy
		}
		holds := draft.ByWhom(s, cluster.Object{Kind: "slot", Name: slot.Name, In: n.Name})
		if slot.RetainedBytes != nil {
			holds += ", holds back " + words.BytesText(*slot.RetainedBytes) + " of WAL"
		}
		if s.Intent(cluster.Object{Kind: "slot", Name: slot.Name, In: n.Name}) != nil {
			holds += "; an apply that failed or was interrupted was about to create it, and repltool cannot prove that it did. " +
				"Once nothing needs it, drop it: SELECT pg_drop_replication_slot(" + pg.Literal(slot.Name) + ")"
		}
		out.ReportUnmanaged("unmanaged_slot", s.Address("slot", slot.Name), n.Name, "%s slot %s, %s%s", slot.Type, pg.Ident(slot.Name), cluster.Activity(slot), holds)
	}
}

// goneSlots drops the slots that repltool made and that nobody wants any more,
// once whoever used them has left.
func goneSlots(s *cluster.Cluster, wanted []cluster.WantedSlot, out *draft.Findings) {
	for _, m := range s.Managed("slot") {
		n := s.Topology.Node(m.In)
		switch {
		case n != nil && (cluster.SlotWanted(wanted, n, m.Name) || s.DroppedWithRemake(m.Name)):
		case n == nil || !s.Running(n) && !s.Recloned(n):
			out.ReportUnmanaged("slot_on_unread_node", m.Address, m.In, "slot %s, which repltool created on %s, is not defined in the topology any more, and %s could not be read", pg.Ident(m.Name), m.In, m.In)
		case draft.KeptForUnreadUser(s, n, m.Name, out):
		default:
			if u := s.SlotUser(n, m.Name); u != nil {
				out.Keep(*u, n, "slot %s", pg.Ident(m.Name))
				out.Unchanged++
				continue
			}
			moves := slices.ContainsFunc(wanted, func(w cluster.WantedSlot) bool { return w.Name == m.Name })
			goneSlot(s, m, n, moves, out)
		}
	}
}

// goneSlot drops a slot; one that moves is wanted on another node.
func goneSlot(s *cluster.Cluster, m cluster.Row, n *topology.Node, moves bool, out *draft.Findings) {
	address := s.Address("slot", m.Name)
	if moves {
		address = m.Address
	}
	inUse := func(fix string) doctor.Finding {
		return doctor.Finding{
			Code: "undefined_slot_in_use", Severity: doctor.Warning, Address: address, Node: n.Name,
			Evidence: "pg_replication_slots on " + n.Name, Fix: fix,
		}
	}
	found := s.FoundSlot(n, m.Name)
	if found != nil && found.Synced {
		found = nil // its primary's, on a node that was the primary once
	}
	if found != nil && found.Active && !s.LeavesSlot(n, m.Name) {
		hint := "Stop the standby that uses it, then apply again."
		if found.Type == topology.SlotLogical {
			hint = "Drop the subscription that uses it, or stop the client that does, then apply again."
		}
		out.Report(inUse(hint), "slot %s on %s is not defined in the topology any more, but process %d uses it: it stays", pg.Ident(m.Name), n.Name, found.ActivePID)
		out.Unchanged++
		return
	}
	if user := s.HeldBy(m.Name); found != nil && found.Active && user != nil {
		out.Report(inUse(s.ResumeHint(user)+" Then apply again."), "slot %s on %s is not defined in the topology any more, but %s, whose replay is paused, uses it until the "+
			"replay is resumed: it stays", pg.Ident(m.Name), n.Name, user.Name)
		out.Unchanged++
		return
	}
	d := draft.Gone(s, address, n, found != nil)
	d.Needs = append(append(d.Needs, s.SyncAddress(), s.SyncedSlotsAddress()), s.StandbyAddresses()...)
	for _, sb := range s.Cluster.Standbys {
		if s.IsDown(sb.Node) && s.SlotInUse(sb, n) == m.Name {
			d.Needs = append(d.Needs, s.NodeAddress(sb.Node)) // it starts with another one
		}
	}
	d.Needs = append(d.Needs, s.SubscriptionAddresses()...)
	if moves {
		d.Needs = append(d.Needs, s.Address("slot", m.Name)) // where it is now is written down first
	}
	if s.Recloned(n) {
		d.Reason = "it is dropped together with the data that is cloned again"
	}
	if found != nil {
		d.Reason = "nothing in the topology uses it, and repltool created it"
		if !moves && found.Type == topology.SlotPhysical {
			d.Reason += "; the data directory of the server that used it is not touched"
		}
		for _, sb := range s.Cluster.Standbys {
			if sb.Slot != "" && sb.Slot != m.Name && s.SlotInUse(sb, n) == m.Name {
				d.Reason = sb.Node.Name + " uses slot " + pg.Ident(sb.Slot) + " instead" + s.PerhapsRenamed(sb.Node, m.Name)
			}
		}
		awaitMoved(s, d, m.Name)
		if found.Active {
			draft.FreeSlot(s, d, n, m.Name)
		}
		d.SQL(n, "drop slot", "SELECT pg_drop_replication_slot("+pg.Literal(m.Name)+");")
	}
	d.SQL(s.Goal.Primary, "remove from the ledger", cluster.Forget(m.Address))
	out.Put(d)
}

// awaitMoved waits until the standby whose slot has moved streams by the one it has now: an
// apply that died may have repointed it, and what it needs may be kept by the earlier one only.
func awaitMoved(s *cluster.Cluster, d *draft.Draft, slot string) {
	for _, sb := range s.Cluster.Standbys {
		server := s.Found(sb.Node).Server
		if sb.Slot != slot || server == nil || !server.InRecovery || s.Paused(sb.Node) || server.Receiver != nil && server.Receiver.Status == "streaming" {
			continue
		}
		d.Effect = sb.Node.Name + " does not stream yet, and may need the WAL that the slot retains"
		draft.AwaitReceiver(s, d, sb.Node, s.ConnInfo(sb), slot)
	}
}
