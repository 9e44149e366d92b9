package sink

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/internal/view"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// New computes what the sinks share. What is not in r yet is taken from its plan, facts and
// topology; the topology is nil, and the plan an empty one with diagnostics, where the topology
// did not load.
func New(r Run) *Run {
	if r.Topology == nil {
		r.Topology = &topology.Topology{}
		r.Plan.Complete = false
	}
	r.Status = view.NewStatus(r.Topology, r.Facts, r.Plan)
	r.Results = resultsOf(&r)
	return &r
}

// resultsOf gathers the results of a run.
func resultsOf(r *Run) []Result {
	all := slices.Concat(notRead(r), changed(r), noticed(r), found(r), refused(r))
	for i, x := range all {
		a := topology.ParseAddress(x.Address)
		if c := r.Topology.ClusterOf(a); c != nil {
			all[i].Cluster = c.Name
		}
		if x.Range.Filename == "" {
			all[i].Range = r.Topology.RangeOf(a, "")
		}
	}
	all = append(all, rest(r, all)...)
	for i := range all {
		x := &all[i]
		x.Range, x.Message, x.Detail = below(r.Base, x.Range), oneLine(r.Redact(x.Message)), strings.TrimSpace(view.Clean(r.Redact(x.Detail)))
	}
	slices.SortStableFunc(all, func(a, b Result) int {
		return cmp.Or(strings.Compare(a.Address, b.Address), strings.Compare(a.Code, b.Code), strings.Compare(a.Node, b.Node))
	})
	return all
}

func notRead(r *Run) []Result {
	var all []Result
	for _, n := range r.Plan.Nodes {
		if !wasRead(n) {
			all = append(all, finding("Node not read", n))
		}
	}
	return all
}

// finding is a node as a finding: a sink has nothing else to say it by.
func finding(summary string, n plan.Node) Result {
	return Result{
		Address: n.Cluster + ".node." + n.Name, Node: n.Name, Outcome: NotRead, Code: plan.CodeOf(summary), Severity: plan.Error,
		Message: cmp.Or(n.Error, summary), Detail: n.Hint,
	}
}

func changed(r *Run) []Result {
	var all []Result
	for _, c := range r.Plan.Changes {
		c.Attributes = redacted(r, c.Attributes)
		x := Result{
			Address: c.Address, Outcome: Differs, Code: string(c.Action), Severity: plan.Error,
			Message: string(c.Action) + ": " + view.Gist(c), Detail: view.Differences(c),
		}
		if len(c.Nodes) > 0 {
			x.Node = c.Nodes[0]
		}
		if len(c.Attributes) > 0 {
			x.Range = r.Topology.RangeOf(topology.ParseAddress(c.Address), c.Attributes[0].Name)
		}
		all = append(all, x)
	}
	return all
}

// redacted returns attributes without secrets: a view writes a value in one line, in which a
// secret of several would not be found.
func redacted(r *Run, attributes []plan.Attribute) []plan.Attribute {
	all := slices.Clone(attributes)
	for i := range all {
		for _, value := range []**string{&all[i].Before, &all[i].After} {
			if *value != nil {
				text := r.Redact(**value)
				*value = &text
			}
		}
	}
	return all
}

// noticed are the differences that no change fixes.
func noticed(r *Run) []Result {
	var all []Result
	for _, n := range r.Plan.Drift {
		all = append(all, Result{Address: n.Address, Node: n.Node, Outcome: Differs, Code: n.Code, Severity: plan.Error, Message: n.Detail})
	}
	return all
}

func found(r *Run) []Result {
	var all []Result
	for _, f := range r.Plan.Findings {
		all = append(all, Result{Address: f.Address, Node: f.Node, Outcome: Unhealthy, Code: f.Code, Severity: f.Severity, Message: f.Message, Detail: f.Hint})
	}
	return all
}

// refused are the diagnostics that are not findings as well.
func refused(r *Run) []Result {
	var all []Result
	for _, d := range r.Plan.Diagnostics {
		if d.Finding {
			continue
		}
		all = append(all, Result{
			Address: d.Address, Outcome: Refused, Code: d.Code, Severity: d.Severity,
			Message: d.Summary, Detail: d.Detail, Range: rangeOf(d),
		})
	}
	return all
}

// rest are the declared objects of which nothing is reported: in sync, or not compared.
func rest(r *Run, reported []Result) []Result {
	seen := map[string]bool{}
	for _, x := range reported {
		if x.Outcome == Differs {
			seen[x.Address] = true
		}
	}
	targets := topology.ParseAddresses(r.Plan.Targets)
	var all []Result
	for _, a := range r.Topology.Declared() {
		if seen[a.String()] || !targeted(targets, a) {
			continue
		}
		c := r.Topology.ClusterOf(a)
		x := Result{Address: a.String(), Cluster: c.Name, Outcome: InSync, Range: r.Topology.RangeOf(a, "")}
		if why := notCompared(r, c, a); why != "" {
			x.Outcome, x.Message = NotCompared, why
		}
		all = append(all, x)
	}
	return all
}

func targeted(targets []topology.Address, a topology.Address) bool {
	return len(targets) == 0 || slices.ContainsFunc(targets, func(t topology.Address) bool { return t.Contains(a) || a.Contains(t) })
}

// notCompared says why it is not known whether an object is in sync: what lies on one node rests
// on that node, what the primary tells on the primary, and all else of a cluster on all of it.
func notCompared(r *Run, c *topology.Cluster, a topology.Address) string {
	if r.Failed() {
		return "not compared: the run ended with an error"
	}
	if r.Plan.Complete {
		return ""
	}
	onPrimary := slices.Contains([]string{"role", "database", "publication", "subscription"}, a.Kind) && leader(r, c) != ""
	for _, n := range r.Plan.Nodes {
		of := n.Cluster == c.ID && (a.Kind != "node" || a.Name == n.Name)
		if of && !onPrimary && !wasRead(n) {
			return fmt.Sprintf("not compared: %s could not be read", n.Name)
		}
	}
	if subscription := subscriptionAt(r.Topology, a); subscription != nil && subscription.Publisher() != nil {
		return notCompared(r, subscription.Publisher(), topology.Address{Kind: "publication"})
	}
	return ""
}

func subscriptionAt(t *topology.Topology, a topology.Address) *topology.Subscription {
	i := slices.IndexFunc(t.Subscriptions, func(s *topology.Subscription) bool { return s.Address() == a })
	if i < 0 {
		return nil
	}
	return t.Subscriptions[i]
}

// oneLine is a text without line breaks and control characters.
func oneLine(text string) string { return strings.Join(strings.Fields(view.Clean(text)), " ") }
