package cluster

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/topology"
)

// A database, a publication, a subscription or a slot is not created in the transaction
// that writes its row: the ledger has an intent first, with the WAL position of that
// moment, and the row is written once the object was created. An intent proves nothing:
// the creation may have failed, and the object be another one, created by hand since. So
// nothing is dropped for it. The next plan removes it and leaves an object that exists
// to whoever created it. Only a slot is taken over, since it would hold WAL for nothing:
// that of a standby or subscription of the topology, if its position shows that it was
// created after the intent and that nobody has used it.

// Intend is the statement that writes the intent to create an object.
func Intend(r Row) string {
	return upsert([]string{"(" + pg.Literal(r.Address.String()) + ", 'intent at ' || pg_current_wal_insert_lsn() || " + pg.Literal(" "+r.Object.String()) + ")"})
}

// Text is the object as the ledger has it.
func (r LedgerRow) Text() string {
	if r.Intent != "" {
		return "intent at " + r.Intent + " " + r.Object.String()
	}
	if r.At != "" {
		return r.Object.String() + " at " + r.At
	}
	if r.OID != 0 {
		return r.Object.String() + " oid " + strconv.FormatInt(r.OID, 10)
	}
	return r.Object.String()
}

// Intents returns the unconfirmed rows of this cluster.
func (s *Cluster) Intents() []LedgerRow {
	return s.Ledger().intents
}

// Intent returns that of an object, or nil.
func (s *Cluster) Intent(o Object) *LedgerRow {
	for _, r := range s.Intents() {
		if r.Object == o {
			return &r
		}
	}
	return nil
}

// Intended reports whether an object exists and is in the topology.
func (s *Cluster) Intended(o Object) (there, wanted, unknown bool) {
	switch o.Kind {
	case "database":
		return s.Live().Database(o.Name) != nil, s.Cluster.Database(o.Name) != nil, false
	case "publication":
		found, unknown := s.Logical(o.In)
		wanted := slices.ContainsFunc(s.Publications(), func(p *topology.Publication) bool { return p.Database == o.In && p.Name == o.Name })
		return found.Publication(o.Name) != nil, wanted, unknown
	case "subscription":
		found, unknown := s.Logical(o.In)
		return found.Subscription(o.Name) != nil, s.WantsSubscription(o.In, o.Name), unknown
	case "slot":
		n := s.Topology.Node(o.In)
		if n == nil || !s.Running(n) {
			return false, false, true
		}
		return s.FoundSlot(n, o.Name) != nil, SlotWanted(s.WantedSlots(), n, o.Name), false
	}
	return false, false, false
}

// CreatedByIntent reports whether a slot is the one that an apply created for a standby or
// a subscription and could not confirm. A logical slot begins where WAL ended when it
// was created, so not before the intent; a physical one begins with the checkpoint
// before, and is past the intent once a standby has used it.
func (s *Cluster) CreatedByIntent(w WantedSlot, found *facts.Slot) bool {
	r := s.Intent(Object{"slot", w.Name, w.On.Name})
	if r == nil || found.Active || found.WALStatus == "lost" || found.Type != w.Type {
		return false
	}
	intent, ok := facts.LSN(r.Intent)
	begins, reserved := facts.LSN(found.RestartLSN)
	switch {
	case !ok || !reserved:
		return false
	case w.Fed != nil:
		return begins <= intent
	case w.By != nil:
		return begins >= intent && found.Plugin == w.Plugin && found.Database == w.Database && s.MayMake(w)
	}
	return false
}

// NotCreated says why a slot that exists is not repltool's.
func (s *Cluster) NotCreated(w WantedSlot, found *facts.Slot) string {
	r := s.Intent(Object{"slot", w.Name, w.On.Name})
	if r == nil {
		return "repltool did not create it"
	}
	return "repltool cannot prove that it created it (the apply that was about to do so at " + r.Intent + " failed or was interrupted; the slot is at " + cmp.Or(found.RestartLSN, "no position") + ")"
}
