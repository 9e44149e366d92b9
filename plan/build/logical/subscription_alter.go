package logical

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// alter compares a subscription that is there and mends it without a copy, except
// of tables that it has never had.
func alter(v *cluster.Subscription, d *draft.Draft, out *draft.Findings) {
	rename(v, d)
	alterSteps(v, d, toAlter(v, d, out))
	copies := refresh(v, d, relist(v, d, "ALTER SUBSCRIPTION "+pg.Ident(v.Name), out), out)
	if len(d.Steps) > 0 && v.WantsEnabled() {
		waitReady(v, d, copies)
	}
	retain(v, d)
}

// alterations are the statements that bring connection and options in line.
type alterations struct {
	sets     []plan.Text
	disabled []string // only while it is disabled, each by itself
	restarts bool     // a worker must start again to use them
}

func toAlter(v *cluster.Subscription, d *draft.Draft, out *draft.Findings) alterations {
	a := alterations{restarts: v.Renamed != ""}
	name := "ALTER SUBSCRIPTION " + pg.Ident(v.Name)
	ignores := v.Lifecycle.Ignores
	if v.Attaches() {
		d.Differ("slot_name", plan.Ptr(cmp.Or(v.Is.Options.SlotName, "NONE")), plan.Ptr(v.Options.SlotName), "it continues from the position of its slot")
		a.sets = append(a.sets, plan.Text{Text: name + " SET (slot_name = " + pg.Literal(v.Options.SlotName) + ");"})
		a.restarts = true
	}
	reconnects := !ignores("connection") && !draft.Astray(v, out) && draft.ConnDiffers(v, d)
	for _, o := range v.WantedOptions() {
		if o.Same() || ignores(o.Name) || o.Fixed {
			continue
		}
		d.Differ(o.Name, plan.Ptr(o.Is), plan.Ptr(o.Wanted), "")
		if set := name + " SET (" + o.SQL() + ");"; o.Offline {
			a.disabled = append(a.disabled, set)
		} else {
			a.sets = append(a.sets, plan.Text{Text: set})
		}
		a.restarts = a.restarts || !o.Runtime
	}
	if !reconnects {
		return a
	}
	var b plan.TextBuilder
	set := v.ConnText(b.Write(name, " CONNECTION ")).Write(";").Done()
	if v.Option("password_required") == "false" { // first, or PostgreSQL asks for a password in it
		a.sets = append(a.sets, set)
	} else {
		a.sets = append([]plan.Text{set}, a.sets...)
	}
	a.restarts = true
	return a
}

// retain strikes a subscription that is to outlive its block, and its slot, out of the
// ledgers.
func retain(v *cluster.Subscription, d *draft.Draft) {
	if v.OnDestroy != topology.OnDestroyRetain {
		return
	}
	s := v.Scope
	if s.IsOurs(cluster.Object{Kind: "subscription", Name: v.Name, In: v.Database}) {
		d.Differ("on_destroy", plan.Ptr(topology.OnDestroyDrop), plan.Ptr(topology.OnDestroyRetain), "")
		d.SQL(s.Goal.Primary, "repltool no longer manages it", cluster.Forget(s.Row(v.Address())))
	}
	if v.Source == nil || !v.CreateSlot {
		return
	}
	n := v.Source.Goal.Primary
	if slot := v.Source.SlotRow(n, v.Options.SlotName); v.Is == nil || v.Source.IsOurs(slot.Object) {
		d.SQL(n, "repltool no longer manages its slot", cluster.Forget(slot.Address))
	}
}

// relist changes the publications that it lists, once it is enabled and its slot is past
// the making of those that come: a change of a time when one was not there would stop it
// for good.
func relist(v *cluster.Subscription, d *draft.Draft, name string, out *draft.Findings) bool {
	if v.Lifecycle.Ignores("publications") || list.SameSet(v.Is.Publications, v.Names()) {
		return false
	}
	come := list.Without(v.Names(), v.Is.Publications)
	n := v.Scope.Goal.Primary
	if !v.WantsEnabled() && len(come) > 0 {
		out.ReportDrift("subscription_not_refreshed", v.Address(), n.Name, "it does not list %s yet; a disabled subscription cannot be refreshed: enable it first", words.Few(come))
		return false
	}
	d.Differ("publications", plan.Ptr(strings.Join(v.Is.Publications, ", ")), plan.Ptr(strings.Join(v.Names(), ", ")), "")
	waitDecodable(v, d, come)
	moves := keepsMoved(v) // a worker with the old list is not to see that
	if moves {
		d.SQLIn(n, v.Database, "disable it, so that no worker uses the old list", name+" DISABLE;")
		stopWorker(v, d)
	}
	d.SQLIn(n, v.Database, "list the publications", name+" SET PUBLICATION "+pg.Idents(v.Names())+" WITH (refresh = false);")
	switch {
	case moves:
		d.SQLIn(n, v.Database, "enable", name+" ENABLE;")
	case v.WantsEnabled():
		stopWorker(v, d)
	}
	return true
}

// keepsMoved reports whether a table moves to a publication that it is to list.
func keepsMoved(v *cluster.Subscription) bool {
	return v.Source != nil && slices.ContainsFunc(v.Source.Publications(), func(p *topology.Publication) bool {
		return p.Database == v.SourceDatabase() && v.Source.Move(p).Keeps(v.Subscription)
	})
}

func waitDecodable(v *cluster.Subscription, d *draft.Draft, come []string) {
	stuck := slices.ContainsFunc(v.Is.Publications, func(name string) bool { return v.Remote.Publication(name) == nil })
	if len(come) == 0 || v.Source == nil || stuck {
		return // nobody can tell of somebody else's publisher; past one that is gone no slot moves
	}
	slot := v.Options.SlotName
	d.Step(v.Source.Goal.Primary, "the slot has passed the publication", plan.Wait{
		Database: v.SourceDatabase(), What: "slot " + slot + " has passed the creation of " + strings.Join(come, ", "), Timeout: draft.StreamTimeout,
		Query: "SELECT coalesce(bool_and(age(s.catalog_xmin) < age(p.xmin)), false)\nFROM pg_replication_slots s, pg_publication p\n" +
			"WHERE s.slot_name = " + pg.Literal(slot) + " AND p.pubname IN (" + pg.Literals(come) + ")",
	})
}

// rename gives it the name that the topology has now; its slot keeps its own.
func rename(v *cluster.Subscription, d *draft.Draft) {
	s := v.Scope
	if v.Renamed != "" {
		d.Differ("name", plan.Ptr(v.Renamed), plan.Ptr(v.Name), "")
		d.SQLIn(s.Goal.Primary, v.Database, "rename", "ALTER SUBSCRIPTION "+pg.Ident(v.Renamed)+" RENAME TO "+pg.Ident(v.Name)+";")
	}
	if s.HasRow(s.Row(v.Address())) && s.Earlier("subscription", v.Address(), v.Database, v.Name) != "" {
		draft.WriteName(s, d, "subscription", v.Address(), v.Database, v.Name) // after it: the old name leads here until then
	}
}

// alterSteps puts the statements around the pause that some of them need. Those on
// failover and two_phase talk to the publisher, and run in no transaction.
func alterSteps(v *cluster.Subscription, d *draft.Draft, a alterations) {
	n, name, sets := v.Scope.Goal.Primary, "ALTER SUBSCRIPTION "+pg.Ident(v.Name), a.sets
	enabled, wanted := v.Is.Options.Enabled, v.WantsEnabled()
	if (len(a.disabled) > 0 || !wanted) && enabled {
		sets = append([]plan.Text{{Text: name + " DISABLE;"}}, sets...)
		enabled = false
	}
	if len(sets) > 0 {
		d.Texts(n, v.Database, "alter subscription", sets...)
	}
	if a.restarts || len(a.disabled) > 0 || wanted != v.Is.Options.Enabled {
		stopWorker(v, d)
	}
	for _, set := range a.disabled {
		d.SQLIn(n, v.Database, "alter while it is disabled", set)
	}
	if wanted && !enabled {
		d.SQLIn(n, v.Database, "enable", name+" ENABLE;")
	}
	if wanted != v.Is.Options.Enabled {
		d.Differ("enabled", plan.Ptr(fmt.Sprint(v.Is.Options.Enabled)), plan.Ptr(fmt.Sprint(wanted)), "")
	}
}

// stopWorker ends the workers that began before the last statement, and waits until they
// are gone: whoever works after it has read what the subscription is now. By itself a
// worker notices a change only between two transactions, and one that waits for a lock
// goes on with the old connection for as long as that takes. One that is ended begins its
// transaction again.
func stopWorker(v *cluster.Subscription, d *draft.Draft) {
	d.SQLIn(v.Scope.Goal.Primary, v.Database, "end its worker, which used the previous definition",
		"DO $$DECLARE worker int;\nBEGIN\n"+
			"  FOR worker IN SELECT pid FROM pg_stat_subscription WHERE pid IS NOT NULL AND relid IS NULL AND subid = (SELECT oid FROM pg_subscription\n"+
			"    WHERE subname = "+pg.Literal(v.Name)+" AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())) LOOP\n"+
			"    PERFORM pg_terminate_backend(worker);\n"+
			"    WHILE EXISTS (SELECT FROM pg_stat_get_subscription(NULL) w WHERE w.pid = worker) LOOP PERFORM pg_sleep(0.05); END LOOP;\n"+
			"  END LOOP;\nEND$$;")
}

// refresh takes up tables that were published since and lets go of those that no
// longer are. It reports whether that copies any.
func refresh(v *cluster.Subscription, d *draft.Draft, relisted bool, out *draft.Findings) (copies bool) {
	come, gone := v.TableChanges()
	changed := len(come)+len(gone) > 0
	switch {
	case !changed && !relisted:
		return false
	case !v.WantsEnabled():
		if changed {
			out.ReportDrift("subscription_not_refreshed", v.Address(), v.Scope.Goal.Primary.Name, "its publications changed: %s; a disabled subscription cannot be refreshed: enable it first", cluster.TableDelta(come, gone))
		}
		return false
	}
	if changed {
		d.Differ("tables", plan.Ptr(words.Counted(len(v.Is.Tables), "table")), plan.Ptr(cluster.TableDelta(come, gone)), "")
	}
	copyNote(v, d, come)
	option := ""
	if !v.CopyData {
		option = " WITH (copy_data = false)"
	}
	d.SQLIn(v.Scope.Goal.Primary, v.Database, "refresh the tables", "ALTER SUBSCRIPTION "+pg.Ident(v.Name)+" REFRESH PUBLICATION"+option+";")
	return v.CopyData && len(come) > 0
}
