// Package build decides: (Topology, Facts) → Plan.
//
// Rules:
//   - pure: no clock, no network, no files; the same topology and facts make a
//     byte-same plan;
//   - complete: every statement, file and argument vector that apply will use is
//     a step; what cannot be shown is not built;
//   - kinds are files of the packages below, which do not import each other; the order
//     of work is the list in this file.
package build

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/doctor"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/check"
	"github.com/repltool/repltool/plan/build/config"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/plan/build/logical"
	"github.com/repltool/repltool/plan/build/move"
	"github.com/repltool/repltool/plan/build/objects"
	"github.com/repltool/repltool/plan/build/streaming"
	"github.com/repltool/repltool/topology"
)

// kinds is the order of work, as far as no edge says otherwise: the kinds of
// changes in the order in which PostgreSQL wants them made.
func kinds() []func(*cluster.Cluster, *draft.Findings) {
	return []func(*cluster.Cluster, *draft.Findings){
		streaming.Instances,
		streaming.Ledger,
		config.Parameters,
		config.HBARules,
		check.CheckRuleOrder,
		objects.Roles,
		objects.Databases,
		check.CheckSlots,
		streaming.Slots,
		streaming.StandbyPassfiles,
		streaming.Standbys,
		check.CheckPublications,
		logical.Publications,
		streaming.Passfiles,
		check.CheckSubscriptions,
		logical.Subscriptions,
		check.CheckFailover,
		streaming.SynchronizedSlots,
		streaming.Synchronous,
		streaming.EarlierPassfiles,
		config.PutIntoForce,
	}
}

// Build compares the topology with the facts. A cluster with an error is left
// out of the changes whole; what rests on a node that could not be read is not
// compared, and Plan.Complete is false then.
func Build(t *topology.Topology, f facts.Facts, o cluster.Options) (*plan.Plan, hcl.Diagnostics) {
	p := &plan.Plan{
		FormatVersion: plan.FormatVersion, RepltoolVersion: o.RepltoolVersion,
		TopologyHash: t.Hash(), Complete: true,
		Targets: o.Targets, Replace: o.Replace, Moves: o.Moves, Variables: o.Variables,
	}
	all := &draft.Findings{}
	t = logical.KeepSlotNames(t, f, o)
	all.Diags = append(all.Diags, check.CheckReplace(t, topology.ParseAddresses(o.Replace))...)
	scopes, found := buildClusters(t, f, o)
	for i, s := range scopes {
		p.Nodes = append(p.Nodes, s.Nodes()...)
		p.Complete = p.Complete && s.Complete() && !found[i].Diags.HasErrors()
		all.Add(found[i])
	}
	all.Diags = append(all.Diags, nothingRead(p.Nodes)...)
	drafts, diags := order(p, all.Drafts, func(sorted []*draft.Draft) ([]*draft.Draft, hcl.Diagnostics) {
		return target(t, scopes, sorted, topology.ParseAddresses(o.Targets))
	})
	drafts, p.Adopt = adopt(drafts, o)
	diags = append(diags, refuseDestroy(t, drafts)...)
	for _, d := range drafts {
		diags = append(diags, d.Diags...)
	}
	fill(p, drafts)
	p.Drift, p.Unmanaged, p.Findings = plan.NotNil(all.Drift), plan.NotNil(all.Unmanaged), plan.NotNil(all.Health)
	p.Summary.Unchanged = all.Unchanged
	p.Fingerprint = p.Bind()
	return p, append(all.Diags, diags...)
}

// order sorts the drafts and narrows them. Where they have no order the plan is one of
// nothing, and whole all the same: a program reads it, and the diagnostic.
func order(p *plan.Plan, drafts []*draft.Draft, narrow func([]*draft.Draft) ([]*draft.Draft, hcl.Diagnostics)) ([]*draft.Draft, hcl.Diagnostics) {
	sorted, err := draft.Order(drafts)
	if err != nil {
		p.Complete = false
		return nil, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: cycleSummary, Detail: "Nothing is planned: " + err.Error() + "."}}
	}
	return narrow(sorted)
}

// cycleSummary is of an error that no facts and no topology are to bring about.
const cycleSummary = "Dependency cycle (a bug in repltool)"

// nothingRead is an error where no machine could be read: such a plan says nothing.
func nothingRead(nodes []plan.Node) hcl.Diagnostics {
	if len(nodes) == 0 || slices.ContainsFunc(nodes, func(n plan.Node) bool { return n.Reachable && n.Error == "" }) {
		return nil
	}
	return hcl.Diagnostics{{
		Severity: hcl.DiagError, Summary: "No readable node",
		Detail: fmt.Sprintf("Nothing was compared: none of the %d nodes could be read. See the reason given for each node.", len(nodes)),
	}}
}

// buildClusters builds every cluster, side by side: they share nothing, and
// computing a password's verifier again takes a millisecond.
func buildClusters(t *topology.Topology, f facts.Facts, o cluster.Options) ([]*cluster.Cluster, []*draft.Findings) {
	scopes, found := scopesOf(t, f, o), make([]*draft.Findings, len(t.Clusters))
	for i := range found {
		found[i] = &draft.Findings{}
	}
	after := scopes
	if moved, moves := afterMoves(scopes, f, found); moves {
		after = scopesOf(t, moved, o)
		maps.Copy(after[0].Required, scopes[0].Required)
	}
	var all sync.WaitGroup
	for i := range scopes {
		all.Go(func() { guarded(scopes[i], found[i], func() { buildCluster(scopes[i], after[i], found[i]) }) })
	}
	all.Wait()
	return scopes, found
}

func scopesOf(t *topology.Topology, f facts.Facts, o cluster.Options) []*cluster.Cluster {
	world := cluster.New(t, f, o)
	var all []*cluster.Cluster
	for _, c := range t.Clusters {
		all = append(all, world.Of(c))
	}
	widen(all)
	return all
}

// afterMoves returns the facts as they are once every primary has moved that is to move and against
// whose move nothing speaks: a subscription looks at two clusters, and all that is planned
// besides is planned on what the moves leave.
func afterMoves(scopes []*cluster.Cluster, f facts.Facts, found []*draft.Findings) (after facts.Facts, moves bool) {
	for i, s := range scopes {
		guarded(s, found[i], func() {
			w := s.Switchover()
			if w == nil || w.Stopped {
				return
			}
			if move.Check(s, w, found[i]); !found[i].Diags.HasErrors() {
				f, moves = s.AfterMove(w, f), true
			}
		})
	}
	return f, moves
}

// guarded runs what a goroutine of its own does for a cluster: facts come from hosts, and a
// panic over them is an error of one cluster.
func guarded(s *cluster.Cluster, out *draft.Findings, do func()) {
	defer func() {
		if p := recover(); p != nil {
			*out = draft.Findings{}
			out.Fail(s.Cluster.Range, "Internal error", "%s: repltool cannot process the data read from its nodes: %v. This is a bug in repltool: please report it "+
				"with this message.", s.Cluster.ID, p)
		}
	}()
	do()
}

// buildCluster runs the preflight and, if nothing speaks against it, every kind. after is the
// cluster in a world where every primary has moved.
func buildCluster(s, after *cluster.Cluster, out *draft.Findings) {
	w := s.Switchover()
	if s.FailoverAsked() && (w == nil || !w.Stopped) {
		if move.CheckAsked(s, out); out.Diags.HasErrors() {
			return
		}
	}
	if w != nil {
		buildSwitchover(s, after, w, out)
		return
	}
	check.Preflight(after, out)
	refused := out.Diags.HasErrors()
	check.CheckLimits(after, out) // told with what else speaks against the plan
	if refused {
		return
	}
	out.Found(doctor.Examine(s)...)
	check.UnreadDatabases(after, out)
	check.Unmanaged(after, out)
	check.Foreign(after, out)
	if after.Live() == nil && !after.IsNew() {
		if after.Found(after.Goal.Primary).Complete() {
			streaming.Instances(after, out) // it is down: what it holds is seen once it is up
		}
		return // nothing can be said of a cluster in which no known member leads
	}
	for _, kind := range kinds() {
		kind(after, out)
	}
	draft.ReportKept(after, out)
	waitForMoves(s, out)
	bringStops(after, out)
	if out.Diags.HasErrors() {
		out.Drafts = nil
	}
}

// bringStops has every change of a cluster bring the stop of an old primary that accepts writes
// still: with two of them, nothing is changed and that left out.
func bringStops(s *cluster.Cluster, out *draft.Findings) {
	for _, sb := range s.Cluster.Standbys {
		if server := s.Found(sb.Node).Server; server == nil || server.InRecovery || s.Rejoins(sb.Node) == nil {
			continue
		}
		for _, d := range out.Drafts {
			if address := s.StandbyAddress(sb.Node); d.Address != address {
				d.Brings = append(d.Brings, address)
			}
		}
	}
}

// waitForMoves has what a cluster does on another one, or with it, wait until the primary of
// that one has moved.
func waitForMoves(s *cluster.Cluster, out *draft.Findings) {
	for _, c := range s.Topology.Clusters {
		other := s.Of(c)
		if other == s || other.Switchover() == nil {
			continue
		}
		for _, d := range out.Drafts {
			if concerns(d, other) || readsFrom(s, other) && passfileOf(s, d) {
				d.Needs = append(d.Needs, other.PrimaryAddress())
			}
		}
	}
}

// readsFrom reports whether a cluster has a subscription to another one.
func readsFrom(s, other *cluster.Cluster) bool {
	return slices.ContainsFunc(other.Subscribers(), func(sub *topology.Subscription) bool { return sub.Cluster == s.Cluster })
}

// passfileOf reports whether a change is of the file by which subscriptions log in: were it made
// before a move that is taken back, it would be left over.
func passfileOf(s *cluster.Cluster, d *draft.Draft) bool {
	return slices.ContainsFunc(s.Cluster.Members(), func(n *topology.Node) bool { return d.Address == s.PassfileAddress(n) })
}

// concerns reports whether a change has to do with a member of a cluster, or is a subscription
// to it.
func concerns(d *draft.Draft, c *cluster.Cluster) bool {
	member := func(name string) bool {
		return slices.ContainsFunc(c.Cluster.Members(), func(n *topology.Node) bool { return n.Name == name })
	}
	return slices.ContainsFunc(d.Nodes, member) ||
		slices.ContainsFunc(d.Steps, func(step plan.Step) bool { return member(step.Node) }) ||
		slices.ContainsFunc(c.Subscribers(), func(sub *topology.Subscription) bool { return sub.Address() == d.Address })
}

// buildSwitchover plans that the primary moves, and then, on what that leaves, every kind:
// what there is besides to be done is done under the new one.
func buildSwitchover(s, after *cluster.Cluster, w *cluster.Switchover, out *draft.Findings) {
	out.Found(doctor.Examine(s)...)
	check.Foreign(s, out)
	if w.Stopped {
		if move.CheckResume(s, w, out); !out.Diags.HasErrors() {
			move.Resume(s, w, out)
		}
		return
	}
	if out.Diags.HasErrors() {
		return
	}
	check.Preflight(after, out)
	check.CheckLimits(after, out)
	if out.Diags.HasErrors() {
		return
	}
	check.Unmanaged(after, out)
	move.Switchover(s, after, w, out)
	rest := &draft.Findings{}
	for _, kind := range kinds() {
		kind(after, rest)
	}
	draft.ReportKept(after, rest)
	for _, d := range rest.Drafts {
		d.Needs = append(d.Needs, s.PrimaryAddress())
	}
	waitForMoves(s, rest)
	if out.Add(rest); out.Diags.HasErrors() {
		out.Drafts = nil
	}
}

// fill writes the ordered drafts into the plan, with IDs and waves.
func fill(p *plan.Plan, drafts []*draft.Draft) {
	p.Changes, p.Steps, p.Diagnostics = []plan.Change{}, []plan.Step{}, []plan.Diagnostic{}
	p.Summary.Restarts, p.Summary.Copies = []string{}, []plan.Copy{}
	last := map[string]string{} // address → its last step
	for _, d := range drafts {
		c := d.Finish()
		var before []string
		for _, address := range c.Requires {
			if id := last[address]; id != "" {
				before = append(before, id)
			}
		}
		for i, s := range d.Steps {
			s.ID, s.Address, s.Requires = draft.StepID(c.Address, i), c.Address, before
			before = []string{s.ID}
			c.Steps = append(c.Steps, s.ID)
			p.Steps = append(p.Steps, s)
		}
		if len(before) > 0 {
			last[c.Address] = before[len(before)-1]
		}
		p.Changes = append(p.Changes, c)
		count(&p.Summary, d)
	}
}

func count(s *plan.Summary, d *draft.Draft) {
	switch d.Action {
	case plan.Create:
		s.Create++
	case plan.Update:
		s.Update++
	case plan.Delete:
		s.Delete++
	case plan.Replace:
		s.Replace++
	}
	s.Restarts = append(s.Restarts, d.Restarts...)
	s.Copies = append(s.Copies, d.Copies...)
}
