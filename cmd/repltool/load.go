package main

import (
	"context"
	"slices"
	"time"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/view"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build"
	"github.com/repltool/repltool/providers"
	"github.com/repltool/repltool/topology"
)

// load reads a topology. From then on its secrets are struck out everywhere.
func (a *app) load(dir string, in topology.Inputs) (*topology.Topology, []plan.Diagnostic) {
	t, diags := topology.Load(dir, in)
	a.redactor.Add(t.Secrets.Texts()...)
	return t, view.Diagnostics(diags, t.Files)
}

func hasErrors(diagnostics []plan.Diagnostic) bool {
	for _, d := range diagnostics {
		if d.Severity == plan.Error {
			return true
		}
	}
	return false
}

// reading is what the clusters were found to be, and what follows from it.
type reading struct {
	topology *topology.Topology
	facts    facts.Facts
	plan     *plan.Plan
	took     time.Duration
}

func (r *reading) failed() bool { return hasErrors(r.plan.Diagnostics) }

// withoutFindings returns the diagnostics that are not among the plan's health as well:
// for verbs whose work is to report health.
func (r *reading) withoutFindings() []plan.Diagnostic {
	return slices.DeleteFunc(slices.Clone(r.plan.Diagnostics), func(d plan.Diagnostic) bool { return d.Finding })
}

// read reads the clusters and plans. Diagnostics of loading are among the plan's.
func (a *app) read(ctx context.Context, t *topology.Topology, loading []plan.Diagnostic, live clusters, o cluster.Options, quiet bool) (*reading, error) {
	began := a.now()
	done := a.announce(t, quiet)
	found := live.Inspect(ctx, o.Replace)
	done()
	if err := ctx.Err(); err != nil {
		return nil, err // what could not be read says nothing then
	}
	r := &reading{topology: t, facts: found, took: a.now().Sub(began)}
	p, diags := build.Build(t, found, o)
	p.Diagnostics = append(append([]plan.Diagnostic{}, loading...), view.Diagnostics(diags, t.Files)...)
	r.plan = p
	return r, nil
}

// announce shows on a terminal that nodes are being read, until it is over.
func (a *app) announce(t *topology.Topology, quiet bool) (done func()) {
	if quiet || !a.live() {
		return func() {}
	}
	a.err.Write([]byte("Reading nodes …"))
	return func() { a.err.Write([]byte("\r\x1b[K")) }
}

// survey loads the topology, opens the way to its nodes and reads them: what plan,
// drift and status begin with. On an error of loading, reading is nil and the
// diagnostics say why.
func (a *app) survey(ctx context.Context, dir string, o *common, options cluster.Options) (*reading, []plan.Diagnostic, error) {
	t, loading := a.load(dir, o.inputs(a))
	if hasErrors(loading) {
		return nil, loading, nil
	}
	live := a.connect(t, a.way(o))
	defer live.Close()
	options.RepltoolVersion, options.Variables, options.Targets = version, t.Variables, o.targets
	r, err := a.read(ctx, t, loading, live, options, o.quiet || o.json)
	return r, loading, err
}

// way is how flags and environment have the nodes reached.
func (a *app) way(o *common) way {
	config, _ := a.environ("REPLTOOL_SSH_CONFIG")
	return way{sshConfig: config, inspect: providers.InspectOptions{Parallelism: o.parallelism, Timeout: o.timeout}}
}
