package plan

import (
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// What keeps a subscription from working is said before it is tried: each is an
// error that names the cause and the way out (PostgreSQL docs, 29.1 to 29.11).

// checkSubscriptions refuses, one by one, those that cannot be as wanted.
func checkSubscriptions(s *scope, out *findings) {
	for _, sub := range s.subscriptions() {
		found, unknown := s.logical(sub.Database)
		if !unknown && s.targeted(sub.Address()) && !s.subscription(sub, found).check(out) {
			out.refuse(sub.Address())
		}
	}
}

// check is false, with an error or a notice, for a subscription that is not planned.
func (v *subscription) check(out *findings) bool {
	if v.blind {
		return false // told with the node that could not be read
	}
	before := len(out.diags)
	v.checkVersions(out)
	v.checkFixed(out)
	v.checkSlot(out)
	if v.publisher != nil {
		v.checkPublisher(out)
		v.checkTables(out)
		v.checkLocks(out)
		v.checkRowSecurity(out)
		v.checkGap(out)
	}
	v.checkApplier(out)
	v.checkConnection(out)
	v.checkReach(out)
	return !out.diags[before:].HasErrors()
}

// checkVersions refuses what the subscriber, or its publisher, is too old for.
func (v *subscription) checkVersions(out *findings) {
	if v.scope.major() == 0 {
		return
	}
	for _, o := range v.allOptions() {
		if o.given && !v.scope.atLeast(o.since) {
			v.scope.tooOld(v.Range, v.ID+": "+o.name, o.since, out)
		}
	}
	if v.Options.Streaming == topology.StreamingParallel && v.scope.atLeast(14) && !v.scope.atLeast(16) {
		v.scope.tooOld(v.Range, v.ID+`: streaming = "parallel"`, 16, out)
	}
	p := v.publisher
	if p == nil || p.major() == 0 {
		return
	}
	o := v.Options
	for _, need := range []struct {
		what  string
		since int
		asked bool
	}{
		{"streaming", 14, o.Streaming != "" && o.Streaming != topology.StreamingOff},
		{"two_phase", 15, isOn(o.TwoPhase)},
		{"origin", 16, o.Origin == topology.OriginNone},
		{"failover", 17, isOn(o.Failover)},
	} {
		if need.asked && !p.atLeast(need.since) {
			out.fail(v.Range, "Option is newer than the publisher", "%s: %s wants a publisher of PostgreSQL %d or later, and %s has %d.",
				v.ID, need.what, need.since, p.cluster.Primary.Name, p.major())
		}
	}
}

// checkFixed refuses changes that PostgreSQL has no ALTER for: the user decides
// whether everything is copied again.
func (v *subscription) checkFixed(out *findings) {
	if v.is == nil || v.remade() {
		return
	}
	fixed := func(name, is, wanted string) {
		out.fail(v.Range, "Cannot be altered",
			"%s: %s is %s and the topology wants %s. PostgreSQL %d cannot alter that: write what is there, or make the subscription anew with -replace=%s, which copies its tables again.",
			v.ID, name, is, wanted, v.scope.major(), v.ID)
	}
	for _, o := range v.options() {
		if o.fixed && !o.same() && !v.Lifecycle.Ignores(o.name) {
			fixed(o.name, o.is, o.wanted)
		}
	}
	if is := v.is.Options.SlotName; is != v.Options.SlotName && !v.Lifecycle.Ignores("slot_name") {
		if is == "" {
			is = "NONE (somebody detached it)"
		}
		fixed("slot_name", is, v.Options.SlotName)
	}
}

// severed says what became of a slot that the subscription cannot go on without, or "".
// Nothing but -replace gets it going then.
func (v *subscription) severed() string {
	if v.is == nil || v.remade() || v.publisher == nil || !v.publisher.running(v.publisher.cluster.Primary) || v.is.Options.SlotName != v.Options.SlotName {
		return ""
	}
	p := v.publisher.cluster.Primary
	switch slot := v.publisher.foundSlot(p, v.Options.SlotName); {
	case slot == nil:
		return "is gone from " + p.Name
	case slot.WALStatus == "lost":
		return "on " + p.Name + " has lost WAL that it needs"
	}
	return ""
}

// checkSlot looks at the slot on the publisher: one that is gone or has lost WAL is
// never made anew in silence, since what was written in between would be missing.
func (v *subscription) checkSlot(out *findings) {
	if v.publisher == nil || !v.publisher.running(v.publisher.cluster.Primary) {
		return
	}
	p := v.publisher.cluster.Primary
	slot := v.publisher.foundSlot(p, v.Options.SlotName)
	switch what := v.severed(); {
	case what != "":
		const message = "slot %s %s: changes since then are missing on %s"
		here := v.scope.cluster.Primary.Name
		out.tellDrift(v.Address(), p.Name, message, ident(v.Options.SlotName), what, here)
		out.tellHealth(Error, v.Address(), v.copyAgain(), message, ident(v.Options.SlotName), what, here)
	case v.is == nil && slot == nil && !v.CreateSlot && !v.publisher.declaresSlot(v.Options.SlotName):
		out.fail(v.Range, "No such slot", "%s says create_slot = false, and %s has no slot %s.", v.ID, p.Name, ident(v.Options.SlotName))
	default:
		v.checkClaim(slot, out)
	}
}

// checkGap tells of tables that left the publications behind our back and come back:
// they are subscribed to all along, so that nothing copies what was written meanwhile.
func (v *subscription) checkGap(out *findings) {
	if v.is == nil || v.remade() || v.remote == nil {
		return
	}
	var now []topology.TableName
	for _, name := range v.is.Publications {
		p := v.remote.Publication(name)
		if p == nil {
			return // it stands still
		}
		now = append(now, v.remote.Published(&p.Publication)...)
	}
	var back []string
	for _, t := range without(v.publishedTables(), now) {
		if slices.Contains(v.subscribed(), t) {
			back = append(back, t.String())
		}
	}
	if len(back) > 0 {
		out.warn(v.Range, "Changes may be missing",
			"%s: %s left its publications and comes back: what was written to it meanwhile is not on %s, and nothing copies it. Compare the rows, or copy all tables again with -replace=%s.", v.ID, few(back), v.scope.cluster.Primary.Name, v.ID)
	}
}

// checkPublisher looks at what the publisher needs to send changes at all.
func (v *subscription) checkPublisher(out *findings) {
	v.publisher.checkWALLevel(v.Range, v.ID, out)
}

// checkWALLevel refuses what decodes WAL that has not enough in it.
func (s *scope) checkWALLevel(at hcl.Range, who string, out *findings) {
	if level := s.willBe("wal_level"); level != "logical" && level != "" {
		out.fail(at, "wal_level is too low", "%s needs wal_level = logical, and %s has %s. Write in %s\n  parameters = { wal_level = \"logical\" }\nwhich takes a restart of %s.",
			who, s.cluster.Primary.Name, level, s.cluster.ID, s.cluster.Primary.Name)
	}
}

// willBe answers a parameter of the primary as this plan leaves it; "" unknown.
func (s *scope) willBe(name string) string { return s.willHave(s.cluster.Primary, name) }

// willHave answers a parameter of n as this plan leaves it; "" unknown.
func (s *scope) willHave(n *topology.Node, name string) string {
	if p, given := s.parametersOf(n)[name]; given {
		return p.Value
	}
	if !s.running(n) {
		return bootValue(name)
	}
	for _, l := range s.derived(n) {
		if l.name == name {
			return l.value
		}
	}
	return s.outside(n, name, "")
}

// bootValue is PostgreSQL's default, for a server that is yet to be made.
func bootValue(name string) string {
	return map[string]string{
		"wal_level": "replica", "max_replication_slots": "10", "max_wal_senders": "10",
		"max_logical_replication_workers": "4", "max_worker_processes": "8", "max_sync_workers_per_subscription": "2",
		"max_prepared_transactions": "0", "max_parallel_apply_workers_per_subscription": "2", "max_active_replication_origins": "10",
		"max_locks_per_transaction": "64", "max_connections": "100", "autovacuum_max_workers": "3",
	}[name]
}

// otherSubscriptions counts those of the server that have a worker and that neither the
// topology names nor repltool removes.
func (s *scope) otherSubscriptions() int {
	if s.live() == nil {
		return 0
	}
	wanted := s.subscriptions()
	return len(kept(s.live().Applying, func(a facts.SubscriptionName) bool {
		return !s.isOurs(object{"subscription", a.Name, a.Database}) && !slices.ContainsFunc(wanted, func(sub *topology.Subscription) bool {
			return sub.Name == a.Name && sub.Database == a.Database
		})
	}))
}

// checkTables compares the tables that are to be taken up on both sides.
func (v *subscription) checkTables(out *findings) {
	if v.is != nil && !v.Options.Enabled && !v.remade() {
		return
	}
	if v.local == nil {
		v.refuseNoDatabase(out)
		return
	}
	v.checkTwoPhase(out)
	var missing []string
	has := v.subscribed()
	for _, name := range v.publishedTables() {
		switch local := v.local.Table(name); {
		case slices.Contains(has, name) && !v.remade():
		case local == nil:
			missing = append(missing, name.String())
		default:
			v.checkShape(name, local, out)
			v.checkRows(name, local, out)
		}
	}
	if len(missing) == 0 {
		return
	}
	switch definition := v.definition(); {
	case definition.Error != "":
		out.fail(v.Range, "Tables cannot be made", "%s: %s lacks %s, and their definition could not be had: %s", v.ID, v.scope.cluster.Primary.Name, few(missing), definition.Error)
	case definition.SQL == "":
		out.fail(v.Range, "Tables are missing on the subscriber",
			"%s: database %q on %s lacks %s. PostgreSQL replicates no definitions: make them there, or say copy_schema = \"missing\".", v.ID, v.Database, v.scope.cluster.Primary.Name, few(missing))
	}
}

// checkTwoPhase refuses to take up a table whose rows could not be copied: PostgreSQL
// copies none once two_phase is on (docs, "ALTER SUBSCRIPTION", REFRESH PUBLICATION).
func (v *subscription) checkTwoPhase(out *findings) {
	wanted := v.Options.TwoPhase
	if v.is == nil || v.remade() || !v.CopyData {
		return
	}
	if v.Lifecycle.Ignores("two_phase") {
		wanted = v.is.Options.TwoPhase
	}
	come, _ := v.tableChanges()
	if len(come) == 0 || !isOn(wanted) {
		return
	}
	out.fail(v.Range, "Table cannot be copied with two_phase",
		"%s: published since: %s; and PostgreSQL copies no table into a subscription with two_phase. Publish it to a subscription of its own, "+
			"say copy_data = false if the rows that are there need not come, or copy all tables again with -replace=%s.", v.ID, tableDelta(come, nil), v.ID)
}

func (v *subscription) refuseNoDatabase(out *findings) {
	s := v.scope
	if s.cluster.Database(v.Database) == nil {
		out.fail(v.Range, "No such database", "%s has no database %q. Declare it in %s, or name another.", s.cluster.Primary.Name, v.Database, s.cluster.ID)
		return
	}
	if len(v.publishedTables()) > 0 {
		out.fail(v.Range, "Tables are not there yet",
			"Database %q is made by this plan, and %s copies into tables of it. Make the database first, with -target=%s, then plan again.", v.Database, v.ID, s.cluster.ID)
	}
}
