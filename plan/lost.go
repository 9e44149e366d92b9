package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/topology"
)

// What held data or a position in the WAL, and no longer exists although it did: a
// database, a slot, a publication that a subscription uses. Created again
// it is there, but empty, or at another position: without a word, a loss would look like
// a repair. So it is a health error, the plan says what is lost, and the change needs an
// allowance of its own (-allow=recreate). An apply that was cut off between the ledger's
// row and the object lost nothing: such a row does not count.

// loss is what is gone with an object; the zero value is no loss.
type loss struct {
	was  string // what existed, since when
	cost string // what creating it does not bring back
	hint string // what to do first
}

// recreates marks the creation of something that is gone.
func (d *draft) recreates(l loss) {
	if l.was == "" {
		return
	}
	d.Recreates = true
	d.Effect = join(d.Effect, "recreates what is gone")
	d.Reason = l.was + ", and it no longer exists: " + l.cost
}

// lossHealth reports what is gone.
func (s *scope) lossHealth(out *findings) {
	if s.live() == nil {
		return
	}
	report := func(address topology.Address, what string, l loss) {
		if l.was != "" {
			out.tellHealth(Error, address, l.hint, "%s no longer exists (%s): %s", what, l.was, l.cost)
		}
	}
	for _, db := range s.cluster.Databases {
		report(s.address("database", db.Name), "database "+ident(db.Name), s.lostDatabase(db))
	}
	for _, w := range s.wantedSlots() {
		report(s.address("slot", w.Name), "slot "+ident(w.Name), s.lostSlot(w))
	}
	for _, p := range s.publications() {
		report(p.Address(), "publication "+ident(p.Name), s.lostPublication(p))
	}
}

// made says since when the ledger has an object that repltool created; "" for one that it
// does not have. An empty in stands for any.
func (s *scope) made(kind, name, in string) string {
	for _, m := range s.managed(kind) {
		if m.name == name && (in == "" || m.in == in) {
			return "repltool created it on " + s.since(m)
		}
	}
	return ""
}

// since answers when a row of the ledger was written, to the second.
func (s *scope) since(of row) string {
	for _, m := range s.live().Ledger.Managed {
		if s.today(parseRow(m)).row == of {
			text, _, _ := strings.Cut(strings.TrimSuffix(m.Since, "+00"), ".")
			return text + " UTC"
		}
	}
	return "an unknown date"
}

func (s *scope) lostDatabase(db *topology.Database) loss {
	if s.live() == nil || s.live().Database(db.Name) != nil {
		return loss{}
	}
	return loss{
		was:  s.made("database", db.Name, ""),
		cost: "the database that apply creates is empty",
		hint: "Find out who dropped it and restore it from a backup. To create an empty database instead: repltool apply -allow=recreate",
	}
}

// lostSlot is of slot blocks: a standby has its position itself, and of a subscription's
// slot the subscription reports. The slot may have been on a primary of before.
func (s *scope) lostSlot(w wantedSlot) loss {
	if w.fed != nil || w.by != nil || !s.running(w.on) || s.foundSlot(w.on, w.Name) != nil {
		return loss{}
	}
	return loss{
		was:  s.made("slot", w.Name, ""),
		cost: "the slot that apply creates begins at the current WAL position, and its consumer does not get what was written before",
		hint: "Initialize its consumer again from the new slot: repltool apply -allow=recreate",
	}
}

// lostPublication is of one that a subscription still uses: the subscription is evidence
// enough, also of a publication that repltool did not create.
func (s *scope) lostPublication(p *topology.Publication) loss {
	found, unknown := s.logical(p.Database)
	if unknown || found.Publication(p.Name) != nil {
		return loss{}
	}
	for _, sub := range s.subscribers() {
		of := s.of(sub.Cluster)
		local, _ := of.logical(sub.Database)
		if is := of.subscription(sub, local).is; is != nil && sub.SourceDatabase() == p.Database && slices.Contains(is.Publications, p.Name) {
			return loss{
				was:  fmt.Sprintf("subscription %s on %s uses it", ident(is.Name), of.cluster.Primary.Name),
				cost: "what was written since it was dropped is not published, and may stop the subscription for good",
				hint: "Recreate it, and if the subscription does not continue, recreate that too: repltool apply -allow=recreate, then -replace=" + sub.ID,
			}
		}
	}
	return loss{}
}
