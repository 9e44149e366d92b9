package plan

import (
	"cmp"
	"slices"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// A database, a publication, a subscription or a slot is not created in the transaction
// that writes its row: the ledger has an intent first, with the WAL position of that
// moment, and the row is written once the object was created. An intent proves nothing:
// the creation may have failed, and the object be another one, created by hand since. So
// nothing is dropped for it. The next plan removes it and leaves an object that exists
// to whoever created it. Only a slot is taken over, since it would hold WAL for nobody:
// that of a standby or subscription of the topology, if its position shows that it was
// created after the intent and that nobody has used it.

// intend is the statement that writes the intent to create an object.
func intend(r row) string {
	return upsert([]string{"(" + literal(r.address.String()) + ", 'intent at ' || pg_current_wal_insert_lsn() || " + literal(" "+r.object.String()) + ")"})
}

// created adds the step that creates an object, and what confirms its intent: in the
// same transaction where that runs in the ledger's database.
func (s *scope) created(d *draft, on *topology.Node, database, why string, r row, statements ...string) {
	if on == s.cluster.Primary && database == maintenance {
		d.sqlIn(on, database, why, append(statements, record(r))...)
		return
	}
	d.sqlIn(on, database, why, statements...)
	d.sql(s.cluster.Primary, "confirm", record(r))
}

// text is the object as the ledger has it.
func (r ledgerRow) text() string {
	if r.intent != "" {
		return "intent at " + r.intent + " " + r.object.String()
	}
	return r.object.String()
}

// intents answers the unconfirmed rows of this cluster.
func (s *scope) intents() []ledgerRow {
	return s.ledger().intents
}

// intent answers that of an object, or nil.
func (s *scope) intent(o object) *ledgerRow {
	for _, r := range s.intents() {
		if r.object == o {
			return &r
		}
	}
	return nil
}

// settleIntents removes the intents that an interrupted or failed apply left behind.
func (s *scope) settleIntents(d *draft) {
	var gone []topology.Address
	for _, r := range s.intents() {
		note := s.settled(r.object)
		if note == "" {
			continue
		}
		gone = append(gone, cmp.Or(r.was, r.address))
		d.differ(r.object.String(), ptr("intent"), nil, note)
	}
	if gone != nil {
		d.Action, d.Reason = Update, "an apply failed or was interrupted before it could confirm that it created an object"
		d.sql(s.cluster.Primary, "remove from the ledger", forget(gone...))
	}
}

// settled says why an intent has no use any more; "" as long as it has, or nobody can tell.
func (s *scope) settled(o object) string {
	there, wanted, unknown := s.intended(o)
	switch {
	case unknown, wanted && !there, o.kind == "slot" && wanted && s.awaitsSlot(o):
		return ""
	case !there:
		return "it does not exist"
	case wanted:
		return "it exists, and repltool cannot prove that it created it: it is adopted, and stays when it leaves the topology"
	default:
		return "it exists and is not in the topology; repltool cannot prove that it created it: it stays, unmanaged"
	}
}

// intended tells whether an object exists and is in the topology.
func (s *scope) intended(o object) (there, wanted, unknown bool) {
	switch o.kind {
	case "database":
		return s.live().Database(o.name) != nil, s.cluster.Database(o.name) != nil, false
	case "publication":
		found, unknown := s.logical(o.in)
		wanted := slices.ContainsFunc(s.publications(), func(p *topology.Publication) bool { return p.Database == o.in && p.Name == o.name })
		return found.Publication(o.name) != nil, wanted, unknown
	case "subscription":
		found, unknown := s.logical(o.in)
		return found.Subscription(o.name) != nil, s.wantsSubscription(o.in, o.name), unknown
	case "slot":
		n := s.topology.Node(o.in)
		if n == nil || !s.running(n) {
			return false, false, true
		}
		return s.foundSlot(n, o.name) != nil, slotWanted(s.wantedSlots(), n, o.name), false
	}
	return false, false, false
}

// awaitsSlot tells that the slot of an intent is there and is, or may have to become,
// that of its standby or subscription: the plan confirms it or stops at it.
func (s *scope) awaitsSlot(o object) bool {
	return slices.ContainsFunc(s.wantedSlots(), func(w wantedSlot) bool {
		if w.Name != o.name || w.on.Name != o.in {
			return false
		}
		found := s.foundSlot(w.on, w.Name)
		return s.createdByIntent(w, found) || !s.mayUse(w, found)
	})
}

// createdByIntent tells whether a slot is the one that an apply created for a standby or
// a subscription and could not confirm. A logical slot begins where WAL ended when it
// was created, so not before the intent; a physical one begins with the checkpoint
// before, and is past the intent once a standby has used it.
func (s *scope) createdByIntent(w wantedSlot, found *facts.Slot) bool {
	r := s.intent(object{"slot", w.Name, w.on.Name})
	if r == nil || found.Active || found.WALStatus == "lost" || found.Type != w.Type {
		return false
	}
	intent, ok := facts.LSN(r.intent)
	begins, reserved := facts.LSN(found.RestartLSN)
	switch {
	case !ok || !reserved:
		return false
	case w.fed != nil:
		return begins <= intent
	case w.by != nil:
		return begins >= intent && found.Plugin == w.Plugin && found.Database == w.Database && s.mayMake(w)
	}
	return false
}

// notCreated says why a slot that exists is not repltool's.
func (s *scope) notCreated(w wantedSlot, found *facts.Slot) string {
	r := s.intent(object{"slot", w.Name, w.on.Name})
	if r == nil {
		return "repltool did not create it"
	}
	return "repltool cannot prove that it created it (the apply that was to do so at " + r.intent + " failed or was interrupted; the slot is at " + cmp.Or(found.RestartLSN, "no position") + ")"
}
