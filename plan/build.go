package plan

import (
	"fmt"
	"slices"
	"sync"

	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// Options narrow or widen a plan.
type Options struct {
	RepltoolVersion string
	// Targets keep only the changes at or under these addresses, and those that
	// they require.
	Targets []string
	// Replace are standbys to clone again: cluster.C.standby.N.
	Replace []string
	// InApply tells that an apply plans, which holds the locks: that one is at work is no
	// news to it.
	InApply bool
	// Variables are recorded, so that a saved plan can load its topology again.
	Variables map[string]string
}

// kinds is the order of work, as far as no edge says otherwise: the kinds of
// changes in the order in which PostgreSQL wants them made.
func kinds() []func(*scope, *findings) {
	return []func(*scope, *findings){
		instances,
		ledger,
		parameters,
		hbaRules,
		checkRuleOrder,
		roles,
		databases,
		checkSlots,
		slots,
		standbyPassfiles,
		standbys,
		checkPublications,
		publications,
		passfiles,
		checkSubscriptions,
		subscriptions,
		checkFailover,
		synchronizedSlots,
		synchronous,
		earlierPassfiles,
	}
}

// Build compares the topology with the facts. A cluster with an error is left
// out of the changes whole; what rests on a node that could not be read is not
// compared, and Plan.Complete is false then.
func Build(t *topology.Topology, f facts.Facts, o Options) (*Plan, hcl.Diagnostics) {
	p := &Plan{
		FormatVersion: FormatVersion, RepltoolVersion: o.RepltoolVersion,
		TopologyHash: t.Hash(), Complete: true,
		Targets: o.Targets, Replace: o.Replace, Variables: o.Variables,
	}
	all := &findings{}
	t = keepSlotNames(t, f, o)
	all.diags = append(all.diags, checkReplace(t, topology.ParseAddresses(o.Replace))...)
	scopes, found := buildClusters(t, f, o)
	for i, s := range scopes {
		p.Nodes = append(p.Nodes, s.nodes()...)
		p.Complete = p.Complete && s.complete() && !found[i].diags.HasErrors()
		all.add(found[i])
	}
	all.diags = append(all.diags, nothingRead(p.Nodes)...)
	drafts, diags := p.order(all.drafts, func(sorted []*draft) ([]*draft, hcl.Diagnostics) {
		return target(t, scopes, sorted, topology.ParseAddresses(o.Targets))
	})
	diags = append(diags, refuseDestroy(t, drafts)...)
	for _, d := range drafts {
		diags = append(diags, d.told...)
	}
	p.fill(drafts)
	p.Drift, p.Unmanaged, p.Health = notNil(all.drift), notNil(all.unmanaged), notNil(all.health)
	p.Summary.Unchanged = all.unchanged
	p.Fingerprint = p.fingerprint()
	return p, append(all.diags, diags...)
}

// order sorts the drafts and narrows them. Where they have no order the plan is one of
// nothing, and whole all the same: a program reads it, and the diagnostic.
func (p *Plan) order(drafts []*draft, narrow func([]*draft) ([]*draft, hcl.Diagnostics)) ([]*draft, hcl.Diagnostics) {
	sorted, err := order(drafts)
	if err != nil {
		p.Complete = false
		return nil, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: cycleSummary, Detail: "Nothing is planned: " + err.Error() + "."}}
	}
	return narrow(sorted)
}

// cycleSummary is of an error that no facts and no topology are to bring about.
const cycleSummary = "Dependency cycle (a bug in repltool)"

// nothingRead is an error where no machine could be read: such a plan says nothing.
func nothingRead(nodes []Node) hcl.Diagnostics {
	if len(nodes) == 0 || slices.ContainsFunc(nodes, func(n Node) bool { return n.Reachable }) {
		return nil
	}
	return hcl.Diagnostics{{
		Severity: hcl.DiagError, Summary: "No node could be read",
		Detail: fmt.Sprintf("Nothing was compared: 0 of %d nodes could be read. See the reason given for each node.", len(nodes)),
	}}
}

// buildClusters builds every cluster, side by side: they share nothing, and
// computing a password's verifier again takes a millisecond.
func buildClusters(t *topology.Topology, f facts.Facts, o Options) ([]*scope, []*findings) {
	scopes, found := make([]*scope, len(t.Clusters)), make([]*findings, len(t.Clusters))
	shared := newShared(t, f, o)
	shared.twins = twins(t, f)
	for i, c := range t.Clusters {
		scopes[i] = shared.scope(c)
	}
	widen(scopes)
	var all sync.WaitGroup
	for i := range scopes {
		all.Go(func() { found[i] = buildGuarded(scopes[i]) })
	}
	all.Wait()
	return scopes, found
}

// buildGuarded is buildCluster for a goroutine of its own: facts come from hosts, and a
// panic over them is an error of one cluster.
func buildGuarded(s *scope) (out *findings) {
	defer func() {
		if p := recover(); p != nil {
			out = &findings{}
			out.fail(s.cluster.Range, "Cluster cannot be planned", "%s: repltool failed on what was read of its nodes: %v. This is a bug in repltool: please report it with this message.", s.cluster.ID, p)
		}
	}()
	return buildCluster(s)
}

// buildCluster runs the preflight and, if nothing speaks against it, every kind.
func buildCluster(s *scope) *findings {
	out := &findings{}
	preflight(s, out)
	refused := out.diags.HasErrors()
	s.checkLimits(out) // told with what else speaks against the plan
	if refused {
		return out
	}
	health(s, out)
	unmanaged(s, out)
	foreign(s, out)
	if s.live() == nil && !s.fresh() {
		if s.primary().Complete() {
			instances(s, out) // it is down: what it holds is seen once it is up
		}
		return out // nothing can be said of a cluster whose primary is unknown
	}
	for _, kind := range kinds() {
		kind(s, out)
	}
	if out.diags.HasErrors() {
		out.drafts = nil
	}
	return out
}

// fill writes the ordered drafts into the plan, with IDs and waves.
func (p *Plan) fill(drafts []*draft) {
	p.Changes, p.Steps, p.Diagnostics = []Change{}, []Step{}, []Diagnostic{}
	p.Summary.Restarts, p.Summary.Copies = []string{}, []Copy{}
	last := map[string]string{} // address → its last step
	for _, d := range drafts {
		c := d.finish()
		var before []string
		for _, address := range c.Requires {
			if id := last[address]; id != "" {
				before = append(before, id)
			}
		}
		for i, s := range d.steps {
			s.ID, s.Address, s.Requires = stepID(c.Address, i), c.Address, before
			before = []string{s.ID}
			c.Steps = append(c.Steps, s.ID)
			p.Steps = append(p.Steps, s)
		}
		if len(before) > 0 {
			last[c.Address] = before[len(before)-1]
		}
		p.Changes = append(p.Changes, c)
		p.Summary.count(d)
	}
}

func (s *Summary) count(d *draft) {
	switch d.Action {
	case Create:
		s.Create++
	case Update:
		s.Update++
	case Delete:
		s.Delete++
	case Replace:
		s.Replace++
	}
	s.Restarts = append(s.Restarts, d.restarts...)
	s.Copies = append(s.Copies, d.copies...)
}

func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
