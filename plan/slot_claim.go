package plan

import (
	"fmt"
	"slices"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/topology"
)

// A replication slot holds a position that its consumer cannot get back once another
// one has moved it. A slot that exists is therefore used only where one of these holds:
//   - the ledger says that repltool created it, or the ledger has an intent and the
//     slot is as that creation leaves it (intent.go);
//   - it is evidently in use by the standby or the subscription that the topology has
//     for it, so that this one is adopted as it is;
//   - the topology claims it in words: a slot block, or create_slot = false.
// A name is no claim: any other slot is an error, active or not (PostgreSQL docs,
// 27.2.6 "Replication Slots" and 49.2.2 "Replication Slots").

// mayUse tells whether a slot that exists is the wanted one.
func (s *scope) mayUse(w wantedSlot, found *facts.Slot) bool {
	switch {
	case s.isOurs(object{"slot", w.Name, w.on.Name}), s.carriedOver(w, found) != nil, s.createdByIntent(w, found):
		return true
	case w.fed != nil:
		return s.standbyUses(w, found)
	case w.by != nil:
		return !w.by.CreateSlot || s.subscriptionUses(w, found)
	}
	return true // a slot block
}

// standbyUses tells whether a physical slot is that of the standby it is wanted for. A
// standby that is down, or was not read, is not judged: this plan gives it no slot.
func (s *scope) standbyUses(w wantedSlot, found *facts.Slot) bool {
	f := s.found(w.fed)
	if f.Server == nil {
		return !s.recloned(w.fed)
	}
	up := s.upstreamOf(f)
	return f.Server.InRecovery && f.Server.InForce("primary_slot_name") == w.Name && (up == nil || up == w.on || found.Active)
}

// subscriptionUses tells whether a logical slot is that of the subscription as it is:
// it names the slot, and connects to this cluster, or has a worker while the slot is
// in use (its connection may name the host in another way).
func (s *scope) subscriptionUses(w wantedSlot, found *facts.Slot) bool {
	of := s.of(w.by.Cluster)
	local, unknown := of.logical(w.by.Database)
	is := of.subscription(w.by, local).is
	if is == nil || is.Options.SlotName != w.Name {
		return unknown // nothing is planned for it then
	}
	conn := conninfo.Map(is.ConnInfo.Reveal())
	here := slices.ContainsFunc(s.cluster.Members(), func(n *topology.Node) bool { return conn["host"] == n.Address && portOf(conn) == n.Port })
	return here || found.Active && is.Worker != nil
}

// checkSlots refuses to take a slot for one that it is not.
func checkSlots(s *scope, out *findings) {
	for _, w := range s.wantedSlots() {
		if s.running(w.on) || s.willRun(w.on) {
			found := s.foundSlot(w.on, w.Name)
			s.checkKind(w, found, out)
			s.checkStandbySlot(w, found, out)
		}
	}
}

// checkStandbySlot refuses to give a standby a slot that may be another server's.
func (s *scope) checkStandbySlot(w wantedSlot, found *facts.Slot, out *findings) {
	if w.fed == nil || found == nil || s.mayUse(w, found) {
		return
	}
	out.fail(w.Range, "Replication slot already exists",
		"Standby %s would use replication slot %s on %s. That slot exists (%s), %s, and %s does not use it now: it may hold WAL for another server. "+
			"Give the standby a slot of another name:\n  standby {\n    node = %s\n    slot = \"NAME\"\n  }\nor, once you know that nothing needs it, drop it on %s:\n  SELECT pg_drop_replication_slot(%s);",
		w.fed.Name, ident(w.Name), w.on.Name, slotText(*found), s.notCreated(w, found), w.fed.Name, w.fed.ID, w.on.Name, literal(w.Name))
}

// slotText describes a slot that exists.
func slotText(slot facts.Slot) string {
	text := slot.Type
	if slot.Type == topology.SlotLogical {
		text += ", " + slot.Plugin + ", database " + ident(slot.Database)
	}
	text += ", " + activity(slot)
	if slot.RetainedBytes != nil {
		text += fmt.Sprintf(", holds back %s of WAL", bytesText(*slot.RetainedBytes))
	}
	return text
}

// checkClaim refuses to subscribe by a slot that is another consumer's, or that this
// subscription could not continue from.
func (v *subscription) checkClaim(slot *facts.Slot, out *findings) {
	if slot == nil {
		return
	}
	p := v.publisher
	n, w := p.cluster.Primary, p.slotFor(v.Subscription)
	refuse := func(summary, format string, args ...any) {
		what := fmt.Sprintf("%s: replication slot %s on %s ", v.ID, ident(slot.Name), n.Name)
		out.fail(v.Range, summary, "%s", what+fmt.Sprintf(format, args...))
	}
	switch again := v.remade() && v.is.Options.SlotName != slot.Name; {
	case again || !p.mayUse(w, slot):
		refuse("Replication slot already exists", "already exists (%s), and %s for this subscription: another subscriber may depend on its position. "+
			"Give the subscription a slot of its own:\n  slot_name = \"NAME\"\nor, if the slot was created for this subscription, say so:\n  create_slot = false\n"+
			"The subscription then continues from the position of the slot.", slotText(*slot), p.notCreated(w, slot))
	case v.is != nil:
		return // it is in use by this subscription
	case slot.Active:
		refuse("Slot is in use", "is in use by process %d. Give the subscription another slot_name.", slot.ActivePID)
	case slot.WALStatus == "lost" && !p.spent(w, slot):
		refuse("Slot has lost WAL", "exists and has lost WAL that it needs. Give the subscription another slot_name.")
	case slot.Type != topology.SlotLogical || slot.Plugin != "pgoutput" || slot.Database != v.SourceDatabase():
		refuse("Slot is of another kind", "exists, and is not a slot of pgoutput in database %s. Give the subscription another slot_name.", v.SourceDatabase())
	case p.publicationsToCome(v.Subscription) && !p.spent(w, slot):
		refuse("Slot is older than its publication",
			"exists, and this plan creates a publication that the subscription lists: a change from before that cannot be decoded, and replication would stop with \"publication does not exist\". "+
				"Leave create_slot out and give the subscription another slot_name, or apply the publications first and create the slot after them.")
	}
}

// declaresSlot tells whether a slot block makes the slot.
func (s *scope) declaresSlot(name string) bool {
	return slices.ContainsFunc(s.cluster.PermanentSlots, func(slot *topology.Slot) bool { return slot.Name == name })
}
