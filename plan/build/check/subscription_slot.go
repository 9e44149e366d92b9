package check

import (
	"fmt"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// What is said where the slot of a subscription is another one's, or the subscription uses
// another slot than the topology has for it: subscription, slot or database was changed by
// hand, and the position of a slot is worth all rows that were written since.

// checkTaken refuses to give a subscription a slot that another one uses.
func checkTaken(v *cluster.Subscription, out *draft.Findings) {
	if v.Is != nil && v.Is.Options.SlotName == v.Options.SlotName && !v.Remade() {
		return // it has it: two with one slot are a finding of their own
	}
	c := v.TakenBy(v.Options.SlotName)
	if c == nil {
		return
	}
	slot, here := pg.Ident(v.Options.SlotName), v.Scope.Leading().Name
	text := fmt.Sprintf("%s is to use replication slot %s, which %s uses. Each of two subscriptions with one slot lacks what the other one receives. ", v.ID, slot, c)
	if c.Host != "" {
		text = fmt.Sprintf("%s is to use replication slot %s, and %s uses a slot of that name on host %s, which may be %s. ", v.ID, slot, c, c.Host, v.Source.Leading().Name)
	}
	unwanted := c.Scope.Cluster == v.Scope.Cluster && !c.Scope.WantsSubscription(c.Database, c.Is.Name)
	switch {
	case unwanted && c.Database == v.Database && v.Is == nil:
		text += fmt.Sprintf("If %s is %s under a new name, give it its name back: on %s in database %s, run\n  ALTER SUBSCRIPTION %s RENAME TO %s;\nElse give",
			pg.Ident(c.Is.Name), pg.Ident(v.Name), here, pg.Ident(v.Database), pg.Ident(c.Is.Name), pg.Ident(v.Name))
	case unwanted && v.Scope.Cluster.Database(c.Database) == nil && c.Is.Name == v.Name:
		text += fmt.Sprintf("If database %s was renamed to %s, write database = %q in the topology, or %s\nElse give",
			pg.Ident(v.Database), pg.Ident(c.Database), c.Database, renameBack(v.Scope, v.Database, c.Database))
	default:
		text += "Give"
	}
	out.Finding(v.Address(), v.Range, "Replication slot is used by another subscription", "%s %s a slot of its own:\n  slot_name = \"NAME\"", text, v.ID)
}

// renameBack says how a database gets its name back.
func renameBack(s *cluster.Cluster, name, now string) string {
	on := s.Leading().Name
	if s.Live().Database(name) == nil {
		return "rename it back: on " + on + ", run\n  ALTER DATABASE " + pg.Ident(now) + " RENAME TO " + pg.Ident(name) + ";"
	}
	return "drop the database " + pg.Ident(name) + " that was created since, once you know that it holds nothing, and rename it back: on " + on +
		", run\n  DROP DATABASE " + pg.Ident(name) + ";\n  ALTER DATABASE " + pg.Ident(now) + " RENAME TO " + pg.Ident(name) + ";"
}

// checkSlotDatabase refuses a slot of another database than the one that the subscription
// connects to: no worker can use it.
func checkSlotDatabase(v *cluster.Subscription, slot *facts.Slot, out *draft.Findings) bool {
	if v.Is == nil || slot.Type != topology.SlotLogical || slot.Database == v.SourceDatabase() || v.DropsSlot(slot.Name) {
		return false
	}
	p := v.Source
	text := fmt.Sprintf("%s: replication slot %s on %s belongs to database %s, and the subscription connects to %s: PostgreSQL lets it use no slot of another database. ",
		v.ID, pg.Ident(slot.Name), p.Leading().Name, pg.Ident(slot.Database), pg.Ident(v.SourceDatabase()))
	if p.Cluster.Database(slot.Database) == nil {
		text += fmt.Sprintf("If database %s was renamed to %s, %s\nElse drop",
			pg.Ident(v.SourceDatabase()), pg.Ident(slot.Database), renameBack(p, v.SourceDatabase(), slot.Database))
	} else {
		text += "Drop"
	}
	out.Finding(v.Address(), v.Range, "Replication slot belongs to another database",
		"%s the slot once you know that nothing needs it, and recreate the subscription with -replace=%s, which copies its tables again:\n  SELECT pg_drop_replication_slot(%s);", text, v.ID, pg.Literal(slot.Name))
	return true
}

// checkSlotName refuses to change the slot of a subscription that has another one than the
// topology has for it, but where nothing can be lost by that.
func checkSlotName(v *cluster.Subscription, out *draft.Findings) {
	is, wanted := v.Is.Options.SlotName, v.Options.SlotName
	if is == wanted || v.Lifecycle.Ignores("slot_name") || v.Attaches() {
		return
	}
	on, name := v.Scope.Leading().Name, pg.Ident(v.Is.Name)
	attach := fmt.Sprintf("on %s in database %s, run\n  ALTER SUBSCRIPTION %s DISABLE;\n  ALTER SUBSCRIPTION %s SET (slot_name = %s);\nand apply",
		on, pg.Ident(v.Database), name, name, pg.Literal(wanted))
	again := "recreate it with -replace=" + v.ID + ", which copies its tables again."
	var slot *facts.Slot
	if v.Source != nil {
		slot = v.Source.FoundSlot(v.Source.Now.Leader, wanted)
	}
	usable := v.Source == nil || slot != nil && slot.WALStatus != "lost" && slot.Database == v.SourceDatabase() && v.TakenBy(wanted) == nil
	switch {
	case is == "" && usable:
		out.Finding(v.Address(), v.Range, "Subscription has no slot",
			"%s: its slot_name is NONE. If its slot %s still exists on the publisher, was created for it and nothing else uses it, it continues from the position of that slot: %s. Else %s",
			v.ID, pg.Ident(wanted), attach, again)
	case is == "":
		out.Finding(v.Address(), v.Range, "Subscription has no slot",
			"%s: its slot_name is NONE, and its slot %s can no longer be used: it does not exist, has lost WAL, or is not the one that repltool created for it. Changes since then are missing on %s. %s",
			v.ID, pg.Ident(wanted), on, v.CopyAgain())
	default:
		text := fmt.Sprintf("%s: its slot_name is %s, and the topology has %s. ", v.ID, pg.Ident(is), pg.Ident(wanted))
		if c := v.TakenBy(is); c != nil {
			text += fmt.Sprintf("Slot %s is used by %s, too. ", pg.Ident(is), c)
		} else {
			text += fmt.Sprintf("To keep what is there, write in the topology\n  slot_name = %q\n", is)
		}
		if usable {
			text += fmt.Sprintf("To use slot %s, %s: the subscription continues from the position of that slot, or from the last transaction that it has applied, whichever is later. What lies between the positions of the two slots may be missing. ",
				pg.Ident(wanted), attach)
		} else {
			text += fmt.Sprintf("Slot %s cannot be used: it does not exist, has lost WAL, or belongs to another database or subscription. ", pg.Ident(wanted))
		}
		out.Finding(v.Address(), v.Range, "Subscription uses another slot", "%sOr %s", text, again)
	}
}

// checkRenamedDatabase refuses to create a database that exists under another name.
func checkRenamedDatabase(s *cluster.Cluster, db *topology.Database, out *draft.Findings) {
	now, evidence := s.RenamedTo(db.Name)
	if now == "" {
		return
	}
	out.Finding(s.Address("database", db.Name), db.Range, "Renamed database",
		"Database %s on %s does not exist, and database %s %s. A database created now would be empty, and replication would stop. To fix, %s\nIf the new name is right, rename the database in the topology.",
		pg.Ident(db.Name), s.Leading().Name, pg.Ident(now), evidence, renameBack(s, db.Name, now))
}
