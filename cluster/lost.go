package cluster

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/topology"
)

// What held data or a position in the WAL, and no longer exists although it did: a
// database, a slot, a publication that a subscription uses. Created again
// it is there, but empty, or at another position: without a word, a loss would look like
// a repair. So it is a health error, the plan says what is lost, and the change needs an
// allowance of its own (-allow=recreate). An apply that was cut off between the ledger's
// row and the object lost nothing: such a row does not count.

// Loss is what is gone with an object; the zero value is no loss.
type Loss struct {
	Was  string // what existed, since when
	Cost string // what creating it does not bring back
	Hint string // what to do first
}

// made says since when the ledger has an object that repltool created; "" for one that it
// does not have. An empty in stands for any.
func (s *Cluster) made(kind, name, in string) string {
	for _, m := range s.Managed(kind) {
		if m.Name == name && (in == "" || m.In == in) {
			return "repltool created it on " + s.Since(m)
		}
	}
	return ""
}

// Since returns when a row of the ledger was written, to the second.
func (s *Cluster) Since(of Row) string {
	for _, m := range s.Live().Ledger.Managed {
		if s.Today(ParseRow(m)).Row == of {
			text, _, _ := strings.Cut(strings.TrimSuffix(m.Since, "+00"), ".")
			return text + " UTC"
		}
	}
	return "an unknown date"
}

func (s *Cluster) LostDatabase(db *topology.Database) Loss {
	if s.Live() == nil || s.Live().Database(db.Name) != nil {
		return Loss{}
	}
	return Loss{
		Was:  s.made("database", db.Name, ""),
		Cost: "the database that apply would create is empty",
		Hint: "Find out who dropped it and restore it from a backup. To create an empty database instead: repltool apply -allow=recreate",
	}
}

// LostSlot is of slot blocks: a standby has its position itself, and of a subscription's
// slot the subscription reports. The slot may have been on a primary of before.
func (s *Cluster) LostSlot(w WantedSlot) Loss {
	if w.Fed != nil || w.By != nil || !s.Running(w.On) || s.FoundSlot(w.On, w.Name) != nil {
		return Loss{}
	}
	return Loss{
		Was: s.made("slot", w.Name, ""),
		Cost: "the slot that apply would create begins at the current WAL position, and its consumer would miss everything " +
			"written before",
		Hint: "Re-initialize its consumer from the new slot: repltool apply -allow=recreate",
	}
}

// LostPublication is of one that a subscription still uses: the subscription is evidence
// enough, also of a publication that repltool did not create.
func (s *Cluster) LostPublication(p *topology.Publication) Loss {
	found, unknown := s.Logical(p.Database)
	if unknown || found.Publication(p.Name) != nil {
		return Loss{}
	}
	for _, sub := range s.Subscribers() {
		v, _ := s.SubscriptionOf(sub)
		if is := v.Is; is != nil && sub.SourceDatabase() == p.Database && slices.Contains(is.Publications, p.Name) {
			return Loss{
				Was:  fmt.Sprintf("subscription %s on %s uses it", pg.Ident(is.Name), s.Of(sub.Cluster).Leading().Name),
				Cost: "changes made since it was dropped are not published, and may stop the subscription for good",
				Hint: "Recreate it: repltool apply -allow=recreate. If the subscription does not continue, recreate that too: " +
					"-replace=" + sub.ID,
			}
		}
	}
	return Loss{}
}

// LostMember is of tables that left a publication by hand, while a subscription has them.
func (s *Cluster) LostMember(p *topology.Publication) Loss {
	found, _ := s.Logical(p.Database)
	if p.Lifecycle.Ignores("tables") || found.Publication(p.Name) == nil {
		return Loss{}
	}
	published := list.SetOf(found.Published(p))
	for _, sub := range s.Subscribers() {
		v, unknown := s.SubscriptionOf(sub)
		if unknown || !slices.Contains(sub.Publications, p) {
			continue
		}
		here := s.Of(sub.Cluster).Leading().Name
		for _, t := range v.ComeBack() {
			if published[t] {
				return Loss{
					Was:  fmt.Sprintf("subscription %s on %s receives %s", pg.Ident(v.Is.Name), here, t),
					Cost: fmt.Sprintf("what was written to it since it left the publication is missing on %s, and nothing copies it", here),
					Hint: v.CopyOneAgain(t) + " To publish it again and compare the rows yourself: repltool apply -allow=recreate",
				}
			}
		}
	}
	return Loss{}
}
