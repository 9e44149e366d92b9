package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/doctor"

	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// What keeps a subscription from working is said before it is tried: each is an
// error that names the cause and the way out (PostgreSQL docs, 29.1 to 29.11).

// CheckSubscriptions refuses, one by one, those that cannot be as wanted.
func CheckSubscriptions(s *cluster.Cluster, out *draft.Findings) {
	for _, sub := range s.Subscriptions() {
		v, unknown := s.SubscriptionOf(sub)
		if !unknown && s.Targeted(sub.Address()) && !checkSubscription(v, out) {
			out.Refuse(sub.Address())
		}
	}
}

// checkSubscription is false, with an error or a notice, for a subscription that is not planned.
func checkSubscription(v *cluster.Subscription, out *draft.Findings) bool {
	if v.Blind {
		return false // told with the node that could not be read
	}
	before := len(out.Diags)
	checkVersions(v, out)
	if v.Is != nil {
		refuseForeign(v.Scope, v.Address(), v.Range, cluster.Object{Kind: "subscription", Name: v.Is.Name, In: v.Database}, out)
	}
	out.LiveState(true, v.Address(), func() { checkFixed(v, out) })
	if checkPublisher(v, out) {
		return false // what else speaks against it is of the wrong publisher
	}
	checkTaken(v, out)
	checkSlot(v, out)
	if v.Source != nil {
		checkWALLevel(v.Source, v.Range, v.ID, out)
		checkLocks(v, out)
		checkGap(v, out)
	}
	out.LiveState(v.Standing(), v.Address(), func() {
		if v.Source != nil {
			checkTables(v, out)
			checkRowSecurity(v, out)
		}
		checkApplier(v, out)
	})
	checkConnection(v, out)
	checkPublisherReach(v, out)
	warnApplyLimit(v, out)
	return !out.Diags[before:].HasErrors() && !tableRenamed(v)
}

// warnApplyLimit warns before the first copy; that of a subscription that exists is a finding.
func warnApplyLimit(v *cluster.Subscription, out *draft.Findings) {
	if limit := v.ApplyLimit(); limit != "" && v.Is == nil && v.CopyData {
		here := v.Scope.Leading().Name
		out.Warn(v.Range, "Time limit on the subscriber", "%s: database %s on %s has transaction_timeout = %s, which applies to its workers: a table copy that takes longer is canceled and begins again from the start. "+
			"On %s, set it to 0 for the role that is to own the subscription, the superuser that repltool connects as: ALTER ROLE … IN DATABASE %s SET transaction_timeout = 0;",
			v.ID, pg.Ident(v.Database), here, limit, here, pg.Ident(v.Database))
	}
}

// checkVersions refuses what the subscriber, or its publisher, is too old for.
func checkVersions(v *cluster.Subscription, out *draft.Findings) {
	if v.Scope.Major() == 0 {
		return
	}
	for _, o := range v.AllOptions() {
		if o.Given && !v.Scope.AtLeast(o.Since) {
			tooOld(v.Scope, v.Range, v.ID+": "+o.Name, o.Since, out)
		}
	}
	if v.Options.Streaming == topology.StreamingParallel && v.Scope.AtLeast(14) && !v.Scope.AtLeast(16) {
		tooOld(v.Scope, v.Range, v.ID+`: streaming = "parallel"`, 16, out)
	}
	p := v.Source
	if p == nil || p.Major() == 0 {
		return
	}
	o := v.Options
	for _, need := range []struct {
		what  string
		since int
		asked bool
	}{
		{"streaming", 14, o.Streaming != "" && o.Streaming != topology.StreamingOff},
		{"two_phase", 15, pg.IsOn(o.TwoPhase)},
		{"origin", 16, o.Origin == topology.OriginNone},
		{"failover", 17, pg.IsOn(o.Failover)},
	} {
		if need.asked && !p.AtLeast(need.since) {
			out.Fail(v.Range, "Option not supported by the publisher", "%s: %s requires a publisher with PostgreSQL %d or later, and %s has %d.",
				v.ID, need.what, need.since, p.Goal.Primary.Name, p.Major())
		}
	}
}

// checkFixed refuses changes that PostgreSQL has no ALTER for: the user decides
// whether everything is copied again.
func checkFixed(v *cluster.Subscription, out *draft.Findings) {
	if v.Is == nil || v.Remade() {
		return
	}
	fixed := func(name, is, wanted string) {
		out.Fail(v.Range, "Subscription option cannot be altered",
			"%s: %s is %s, but the topology has %s. PostgreSQL %d cannot alter it: set the current value, or recreate "+
				"the subscription with -replace=%s, which copies its tables again.",
			v.ID, name, is, wanted, v.Scope.Major(), v.ID)
	}
	for _, o := range v.WantedOptions() {
		if o.Fixed && !o.Same() && !v.Lifecycle.Ignores(o.Name) {
			fixed(o.Name, o.Is, o.Wanted)
		}
	}
	checkSlotName(v, out)
}

// checkPublisher refuses to let a subscription continue on another server, or in another
// database, than it has received from.
func checkPublisher(v *cluster.Subscription, out *draft.Findings) bool {
	from, database := v.ComesFrom()
	if from == nil {
		return false
	}
	out.Fail(v.Range, "Different publisher",
		"%s receives from database %s on %s, and the topology has database %s on %s. If it continued there, rows would be missing: "+
			"it copies no table again, and skips changes below the position that it has reached on %s. %s", v.ID, pg.Ident(database), from.Name, pg.Ident(v.SourceDatabase()), v.Source.Goal.Primary.Name, from.Name, v.CopyAgain())
	return true
}

// checkSlot looks at the slot on the publisher: one that is gone or has lost WAL is
// never made anew in silence, since what was written in between would be missing.
func checkSlot(v *cluster.Subscription, out *draft.Findings) {
	if v.Source == nil || v.Source.Live() == nil {
		return
	}
	p := v.Source.Now.Leader
	slot := v.Source.FoundSlot(p, v.Options.SlotName)
	switch what := v.Severed(); {
	case what != "":
		const message = "slot %s %s: changes since then are missing on %s"
		here := v.Scope.Leading().Name
		out.ReportDrift("subscription_lost_its_slot", v.Address(), p.Name, message, pg.Ident(v.Options.SlotName), what, here)
		out.Report(doctor.Finding{
			Code: "subscription_lost_its_slot", Severity: doctor.Error, Address: v.Address(), Node: p.Name,
			Evidence: "pg_replication_slots on " + p.Name, Fix: v.CopyAgain(),
		}, message, pg.Ident(v.Options.SlotName), what, here)
	case v.Is == nil && slot == nil && !v.CreateSlot && !v.Source.DeclaresSlot(v.Options.SlotName):
		out.Fail(v.Range, "Unknown slot", "%s has create_slot = false, but %s has no slot %s.", v.ID, p.Name, pg.Ident(v.Options.SlotName))
	default:
		checkClaim(v, slot, out)
	}
}

// checkGap tells of tables that left the publications behind our back and come back:
// they are subscribed to all along, so that nothing copies what was written meanwhile.
func checkGap(v *cluster.Subscription, out *draft.Findings) {
	var back []string
	for _, t := range v.ComeBack() {
		back = append(back, t.String())
	}
	if len(back) > 0 {
		out.Warn(v.Range, "Missing changes",
			"%s: %s was removed from its publications and is added again: what was written to it in between is missing "+
				"on %s, and nothing copies it. Compare the rows, or copy all tables again with -replace=%s.", v.ID, words.Few(back), v.Scope.Goal.Primary.Name, v.ID)
	}
}

// checkWALLevel refuses what decodes WAL that has not enough in it.
func checkWALLevel(s *cluster.Cluster, at hcl.Range, who string, out *draft.Findings) {
	if level := s.WillBe("wal_level"); level != "logical" && level != "" {
		out.Fail(at, "wal_level too low", "%s requires wal_level = logical, but %s has %s. Set in %s\n"+
			"  parameters = { wal_level = \"logical\" }\nwhich requires a restart of %s.",
			who, s.Goal.Primary.Name, level, s.Cluster.ID, s.Goal.Primary.Name)
	}
}

// checkTables compares the tables that are to be taken up on both sides.
func checkTables(v *cluster.Subscription, out *draft.Findings) {
	if v.Is != nil && !v.Options.Enabled && !v.Remade() {
		return
	}
	if v.Local == nil {
		refuseEmptyDatabase(v, out)
		return
	}
	checkTwoPhase(v, out)
	checkForeignParts(v, out)
	var missing []string
	has := list.SetOf(v.Subscribed())
	for _, name := range v.PublishedTables() {
		switch local := v.Local.Table(name); {
		case has[name] && !v.Remade():
		case local == nil:
			missing = append(missing, name.String())
		default:
			checkShape(v, name, local, out)
			checkRows(v, name, local, out)
		}
	}
	if len(missing) == 0 {
		return
	}
	switch definition := v.Definition(); {
	case definition.Error != "":
		out.Fail(v.Range, "Missing table definitions", "%s: %s lacks %s, and the definition could not be obtained: %s", v.ID, v.Scope.Goal.Primary.Name, words.Few(missing), definition.Error)
	case definition.SQL != "" && !v.CopyData:
		out.Warn(v.Range, "Tables created without rows",
			"%s: this plan creates %s on %s, and with copy_data = false nothing copies the rows that they have on the publisher.", v.ID, words.Few(missing), v.Scope.Goal.Primary.Name)
	case definition.SQL == "" && v.CopySchema == topology.CopySchemaMissing && len(v.TablesToCome()) > 0:
		out.Fail(v.Range, "Missing tables on the subscriber", "%s: %s lacks %s, and not all of these exist on %s yet: this plan creates some there, so that their definition cannot be read. %s",
			v.ID, v.Scope.Goal.Primary.Name, words.Few(missing), v.Source.Goal.Primary.Name, createFirst(v))
	case definition.SQL == "":
		out.Fail(v.Range, "Missing tables on the subscriber",
			"%s: database %q on %s lacks %s. %sPostgreSQL does not replicate table definitions: create them there, or set "+
				"copy_schema = \"missing\".", v.ID, v.Database, v.Scope.Goal.Primary.Name, words.Few(missing), perhapsRenamedHere(v))
	}
}

// perhapsRenamedHere says what to do if a table that the subscriber lacks was renamed there, or "".
func perhapsRenamedHere(v *cluster.Subscription) string {
	var said strings.Builder
	for _, t := range v.RenamedTables() {
		if !t.Taken {
			fmt.Fprintf(&said, "The subscription has %s, which is not published and has the columns of %s: if it is that table under another name, %s; replication then continues, and nothing is missing. Otherwise: ",
				words.FewTables(t.Now), t.Published, v.RenameBack(t))
		}
	}
	return said.String()
}

// checkForeignParts refuses to subscribe to a publication that the server says has a foreign table: a
// subscription needs a table of its name, and no worker can copy it.
func checkForeignParts(v *cluster.Subscription, out *draft.Findings) {
	for _, p := range v.Publications {
		for _, name := range v.Remote.ForeignParts(p) {
			if !slices.Contains(v.Subscribed(), name) || v.Remade() {
				out.Fail(v.Range, "Foreign table in a published table", "%s: %s on %s is a foreign table and a partition of a table of %s. PostgreSQL lists it to subscribers and cannot copy it: "+
					"detach it, or publish the other partitions by their names.", v.ID, name, v.Source.Goal.Primary.Name, p.ID)
			}
		}
	}
}

// checkShape compares a table on both sides. What PostgreSQL refuses at once is an error;
// what stops replication only once certain rows come is a warning.
func checkShape(v *cluster.Subscription, name topology.TableName, local *facts.Table, out *draft.Findings) {
	for _, m := range v.TableMismatches(name, local) {
		if m.Certain {
			out.Fail(v.Range, m.Summary, "%s", m.Detail)
		} else {
			out.Warn(v.Range, m.Summary, "%s", m.Detail)
		}
	}
}

// createFirst says how the tables of a chain are created where one plan cannot do it: one
// that receives already must not be sent rows of a table that it lacks.
func createFirst(v *cluster.Subscription) string {
	if v.Is == nil {
		targets := ""
		for _, u := range v.Source.CreatesTables(v.SourceDatabase()) {
			targets += " -target=" + u.ID
		}
		return "Apply the subscriptions of its publisher first, with" + targets + ", then plan again."
	}
	return "Create them on " + v.Scope.Goal.Primary.Name + " by hand first: without them, the subscription would stop."
}

// checkTwoPhase refuses to take up a table whose rows could not be copied: PostgreSQL
// copies none once two_phase is on (docs, "ALTER SUBSCRIPTION", REFRESH PUBLICATION).
func checkTwoPhase(v *cluster.Subscription, out *draft.Findings) {
	if v.Is == nil || v.Remade() || !v.CopyData {
		return
	}
	come, _ := v.TableChanges()
	if len(come) == 0 || v.Option("two_phase") != "true" {
		return
	}
	out.Fail(v.Range, "Initial table copy with two_phase",
		"%s: newly published: %s; PostgreSQL copies no table into a subscription with two_phase. Publish it to a "+
			"subscription of its own, set copy_data = false if the existing rows are not needed, or copy all tables "+
			"again with -replace=%s.", v.ID, cluster.TableDelta(come, nil), v.ID)
}

func refuseEmptyDatabase(v *cluster.Subscription, out *draft.Findings) {
	s := v.Scope
	if s.Cluster.Database(v.Database) == nil {
		out.Fail(v.Range, "Unknown database", "%s has no database %q. Declare it in %s, or use another one.", s.Goal.Primary.Name, v.Database, s.Cluster.ID)
		return
	}
	if len(v.PublishedTables()) > 0 {
		out.Fail(v.Range, "Tables not created yet",
			"Database %q is created by this plan, and %s copies into tables of it. First create the database with "+
				"-target=%s, then plan again.", v.Database, v.ID, s.Cluster.ID)
	}
}
