package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/topology"
)

// alter compares a subscription that is there and mends it without a copy, except
// of tables that it has never had.
func (v *subscription) alter(d *draft, out *findings) {
	v.rename(d)
	v.alterSteps(d, v.alterations(d, out))
	copies := v.refresh(d, v.relist(d, "ALTER SUBSCRIPTION "+ident(v.Name), out), out)
	if len(d.steps) > 0 && v.wantsEnabled() {
		v.waitReady(d, copies)
	}
	v.retain(d)
}

// alterations are the statements that bring connection and options in line.
type alterations struct {
	sets     []Text
	disabled []string // only while it is disabled, each by itself
	restarts bool     // a worker must start again to use them
}

func (v *subscription) alterations(d *draft, out *findings) alterations {
	a := alterations{restarts: v.renamed != ""}
	name := "ALTER SUBSCRIPTION " + ident(v.Name)
	ignores := v.Lifecycle.Ignores
	reconnects := !ignores("connection") && !v.astray(out) && v.connDiffers(d)
	for _, o := range v.options() {
		if o.same() || ignores(o.name) || o.fixed {
			continue
		}
		d.differ(o.name, ptr(o.is), ptr(o.wanted), "")
		if set := name + " SET (" + o.sql() + ");"; o.offline {
			a.disabled = append(a.disabled, set)
		} else {
			a.sets = append(a.sets, Text{Text: set})
		}
		a.restarts = a.restarts || !o.runtime
	}
	if !reconnects {
		return a
	}
	var b textBuilder
	set := v.connText(b.write(name, " CONNECTION ")).write(";").done()
	if v.option("password_required") == "false" { // first, or PostgreSQL asks for a password in it
		a.sets = append(a.sets, set)
	} else {
		a.sets = append([]Text{set}, a.sets...)
	}
	a.restarts = true
	return a
}

// retain strikes a subscription that is to outlive its block, and its slot, out of the
// ledgers.
func (v *subscription) retain(d *draft) {
	if v.OnDestroy != topology.OnDestroyRetain {
		return
	}
	s := v.scope
	if s.isOurs(object{"subscription", v.Name, v.Database}) {
		d.differ("on_destroy", ptr(topology.OnDestroyDrop), ptr(topology.OnDestroyRetain), "")
		d.sql(s.cluster.Primary, "it is no longer repltool's to drop", forget(s.row(v.Address())))
	}
	if v.publisher == nil || !v.CreateSlot {
		return
	}
	n := v.publisher.cluster.Primary
	if slot := v.publisher.slotRow(n, v.Options.SlotName); v.is == nil || v.publisher.isOurs(slot.object) {
		d.sql(n, "nor is its slot", forget(slot.address))
	}
}

// relist changes the publications that it lists, once it is enabled and its slot is past
// the making of those that come: a change of a time when one was not there would stop it
// for good.
func (v *subscription) relist(d *draft, name string, out *findings) bool {
	if v.Lifecycle.Ignores("publications") || sameSet(v.is.Publications, v.Names()) {
		return false
	}
	come := without(v.Names(), v.is.Publications)
	n := v.scope.cluster.Primary
	if !v.wantsEnabled() && len(come) > 0 {
		out.tellDrift(v.Address(), n.Name, "it does not list %s yet; a disabled subscription cannot take that up", few(come))
		return false
	}
	d.differ("publications", ptr(strings.Join(v.is.Publications, ", ")), ptr(strings.Join(v.Names(), ", ")), "")
	v.waitDecodable(d, come)
	moves := v.keepsMoved() // a worker with the old list is not to see that
	if moves {
		d.sqlIn(n, v.Database, "no worker goes on with the old list", name+" DISABLE;")
		v.stopWorker(d)
	}
	d.sqlIn(n, v.Database, "list the publications", name+" SET PUBLICATION "+idents(v.Names())+" WITH (refresh = false);")
	switch {
	case moves:
		d.sqlIn(n, v.Database, "enable", name+" ENABLE;")
	case v.wantsEnabled():
		v.stopWorker(d)
	}
	return true
}

// keepsMoved tells whether a table moves to a publication that it is to list.
func (v *subscription) keepsMoved() bool {
	return v.publisher != nil && slices.ContainsFunc(v.publisher.publications(), func(p *topology.Publication) bool {
		return p.Database == v.SourceDatabase() && v.publisher.move(p).keeps(v.Subscription)
	})
}

func (v *subscription) waitDecodable(d *draft, come []string) {
	stuck := slices.ContainsFunc(v.is.Publications, func(name string) bool { return v.remote.Publication(name) == nil })
	if len(come) == 0 || v.publisher == nil || stuck {
		return // nobody can tell of somebody else's publisher; past one that is gone no slot moves
	}
	slot := v.Options.SlotName
	d.step(v.publisher.cluster.Primary, "the slot is past the publication", Wait{
		Database: v.SourceDatabase(), What: "slot " + slot + " is past the making of " + strings.Join(come, ", "), Timeout: streamTimeout,
		Query: "SELECT coalesce(bool_and(age(s.catalog_xmin) < age(p.xmin)), false)\nFROM pg_replication_slots s, pg_publication p\n" +
			"WHERE s.slot_name = " + literal(slot) + " AND p.pubname IN (" + literals(come) + ")",
	})
}

// rename gives it the name that the topology has now; its slot keeps its own.
func (v *subscription) rename(d *draft) {
	s := v.scope
	if v.renamed != "" {
		d.differ("name", ptr(v.renamed), ptr(v.Name), "")
		d.sqlIn(s.cluster.Primary, v.Database, "rename", "ALTER SUBSCRIPTION "+ident(v.renamed)+" RENAME TO "+ident(v.Name)+";")
	}
	if s.earlier("subscription", v.Address(), v.Database, v.Name) != "" {
		s.writeName(d, "subscription", v.Address(), v.Database, v.Name) // after it: the old name leads here until then
	}
}

// wantsEnabled tells whether it is to be enabled, where that is not to be left as it is.
func (v *subscription) wantsEnabled() bool {
	if v.is != nil && v.Lifecycle.Ignores("enabled") {
		return v.is.Options.Enabled
	}
	return v.Options.Enabled
}

// alterSteps puts the statements around the pause that some of them need. Those on
// failover and two_phase talk to the publisher, and run in no transaction.
func (v *subscription) alterSteps(d *draft, a alterations) {
	n, name, sets := v.scope.cluster.Primary, "ALTER SUBSCRIPTION "+ident(v.Name), a.sets
	enabled, wanted := v.is.Options.Enabled, v.wantsEnabled()
	if (len(a.disabled) > 0 || !wanted) && enabled {
		sets = append([]Text{{Text: name + " DISABLE;"}}, sets...)
		enabled = false
	}
	if len(sets) > 0 {
		d.texts(n, v.Database, "alter subscription", sets...)
	}
	if a.restarts || len(a.disabled) > 0 || wanted != v.is.Options.Enabled {
		v.stopWorker(d)
	}
	for _, set := range a.disabled {
		d.sqlIn(n, v.Database, "alter while it is disabled", set)
	}
	if wanted && !enabled {
		d.sqlIn(n, v.Database, "enable", name+" ENABLE;")
	}
	if wanted != v.is.Options.Enabled {
		d.differ("enabled", ptr(fmt.Sprint(v.is.Options.Enabled)), ptr(fmt.Sprint(wanted)), "")
	}
}

// stopWorker ends the workers that began before the last statement, and waits until they
// are gone: whoever works after it has read what the subscription is now. By itself a
// worker notices a change only between two transactions, and one that waits for a lock
// goes on with the old connection for as long as that takes. One that is ended begins its
// transaction again.
func (v *subscription) stopWorker(d *draft) {
	d.sqlIn(v.scope.cluster.Primary, v.Database, "end its worker, which used the previous definition",
		"DO $$DECLARE worker int;\nBEGIN\n"+
			"  FOR worker IN SELECT pid FROM pg_stat_subscription WHERE pid IS NOT NULL AND relid IS NULL AND subid = (SELECT oid FROM pg_subscription\n"+
			"    WHERE subname = "+literal(v.Name)+" AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())) LOOP\n"+
			"    PERFORM pg_terminate_backend(worker);\n"+
			"    WHILE EXISTS (SELECT FROM pg_stat_get_subscription(NULL) w WHERE w.pid = worker) LOOP PERFORM pg_sleep(0.05); END LOOP;\n"+
			"  END LOOP;\nEND$$;")
}

// refresh takes up tables that were published since and lets go of those that no
// longer are. It answers whether that copies any.
func (v *subscription) refresh(d *draft, relisted bool, out *findings) (copies bool) {
	come, gone := v.tableChanges()
	changed := len(come)+len(gone) > 0
	switch {
	case !changed && !relisted:
		return false
	case !v.wantsEnabled():
		if changed {
			out.tellDrift(v.Address(), v.scope.cluster.Primary.Name, "its publications changed: %s; a disabled subscription cannot take that up", tableDelta(come, gone))
		}
		return false
	}
	if changed {
		d.differ("tables", ptr(counted(len(v.is.Tables), "table")), ptr(tableDelta(come, gone)), "")
	}
	v.copyNote(d, come)
	option := ""
	if !v.CopyData {
		option = " WITH (copy_data = false)"
	}
	d.sqlIn(v.scope.cluster.Primary, v.Database, "take up the tables", "ALTER SUBSCRIPTION "+ident(v.Name)+" REFRESH PUBLICATION"+option+";")
	return v.CopyData && len(come) > 0
}

// tableChanges answers the tables to take up and to let go.
func (v *subscription) tableChanges() (come, gone []topology.TableName) {
	if v.publisher == nil || v.remote == nil {
		return nil, nil // what is published outside of the topology only the server sees
	}
	wanted, has := v.publishedTables(), v.subscribed()
	return without(wanted, has), without(has, wanted)
}

// subscribed answers the tables that it has.
func (v *subscription) subscribed() []topology.TableName {
	if v.is == nil {
		return nil
	}
	var all []topology.TableName
	for _, t := range v.is.Tables {
		all = append(all, t.Table)
	}
	return all
}

func tableDelta(come, gone []topology.TableName) string {
	var parts []string
	for _, part := range []struct {
		sign   string
		tables []topology.TableName
	}{{"+", come}, {"-", gone}} {
		var names []string
		for _, t := range part.tables {
			names = append(names, part.sign+t.String())
		}
		parts = append(parts, few(names))
	}
	return join(parts...)
}
