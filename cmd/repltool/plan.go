package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/view"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// planFlags are those of plan.
type planFlags struct {
	common
	out      string
	detailed bool
	replace  []string
}

func (a *app) planCommand() *cobra.Command {
	var o planFlags
	c := &cobra.Command{
		Use: "plan [flags] [DIR]", GroupID: groupRun, Args: atMost(1, "one directory"),
		Short: "show what would change",
		Long: "Read the clusters of the topology in DIR, and show every statement, file edit and command " +
			"that would make them match it. Nothing is changed, and no lock is taken.",
		Example: "  repltool plan\n  repltool plan -out=main.plan && repltool apply main.plan\n  repltool plan -target=cluster.main.standby.pg2",
		RunE:    func(c *cobra.Command, args []string) error { return a.plan(c.Context(), dirOf(args), o) },
	}
	o.register(c.Flags())
	readsOnly(c.Flags())
	c.Flags().StringVar(&o.out, "out", "", "save the plan to `FILE`, for apply")
	c.Flags().BoolVar(&o.detailed, "detailed-exitcode", false, "exit with 2 if there are changes or drift")
	c.Flags().StringArrayVar(&o.replace, "replace", nil, "clone the standby again, or recreate the slot or subscription, at `ADDRESS`; repeatable")
	return c
}

func (a *app) plan(ctx context.Context, dir string, o planFlags) error {
	r, loading, err := a.survey(ctx, dir, &o.common, cluster.Options{Replace: o.replace})
	if err != nil {
		return err
	}
	if r == nil {
		return a.refuse(&o.common, loading)
	}
	next := ""
	if targets := readable(r.plan); len(r.plan.Changes) > 0 && targets != nil {
		next = "Some nodes could not be read. To plan what does not require them: " + a.command(append([]string{"plan"}, o.planWords(r, dir, targets)...)...)
	} else if len(r.plan.Changes) > 0 {
		next = "Apply it: " + a.command(append([]string{"apply"}, o.applyWords(r, dir)...)...)
	} else if len(r.plan.Adopt) > 0 {
		next = a.toAdopt(&o.common, r.topology, dir)
	}
	if err := a.showPlan(&o.common, r, next); err != nil || r.failed() {
		return orExit(err, exitError)
	}
	if o.out != "" {
		if err := savePlan(o.out, r.plan); err != nil {
			return err
		}
	}
	return planCode(r.plan, o.detailed)
}

// toAdopt is the command that writes the marks of ownership which are missing.
func (a *app) toAdopt(o *common, t *topology.Topology, dir string) string {
	return "To write them now: " + a.command(append(append([]string{"apply", "-adopt"}, o.again(t)...), dirWord(dir))...)
}

// applyWords are the arguments that make apply do what was planned.
func (o *planFlags) applyWords(r *reading, dir string) []string {
	if o.out != "" {
		return []string{o.out, dirWord(dir)}
	}
	words := o.again(r.topology)
	for _, address := range o.replace {
		words = append(words, "-replace="+address)
	}
	return append(words, dirWord(dir))
}

// planWords are the arguments that plan the same, limited to targets.
func (o *planFlags) planWords(r *reading, dir string, targets []string) []string {
	words := o.again(r.topology)
	if o.out != "" {
		words = append(words, "-out="+o.out)
	}
	for _, address := range targets {
		words = append(words, "-target="+address)
	}
	return append(words, dirWord(dir))
}

// readable returns, for a plan that apply would refuse since nodes of its clusters could
// not be read, the changes to limit it to; nil for any other.
func readable(p *plan.Plan) []string {
	if len(p.Targets) > 0 || len(unreadNodes(p)) == 0 {
		return nil
	}
	var all []string
	for _, c := range p.Changes {
		all = append(all, c.Address)
	}
	return all
}

// planCode is the exit code of a plan without errors.
func planCode(p *plan.Plan, detailed bool) error {
	switch {
	case len(p.Changes) > 0 && (detailed || !p.Complete), len(p.Drift) > 0 && detailed && p.Complete:
		return exitChanges
	case !p.Complete:
		return exitIncomplete
	default:
		return nil
	}
}

// orExit returns the error, or else the code.
func orExit(err, code error) error {
	if err != nil {
		return err
	}
	return code
}

// refuse says why a topology could not be loaded, as text or as JSON.
func (a *app) refuse(o *common, diagnostics []plan.Diagnostic) error {
	if !o.json {
		a.diagnostics(diagnostics)
	}
	p := view.EmptyPlan(version)
	p.Diagnostics = diagnostics
	return orExit(a.document(o, p.Encode), exitError)
}

// showPlan writes a plan to stdout, as text or as JSON, and its diagnostics to
// stderr. Of one with errors only what was read is shown.
func (a *app) showPlan(o *common, r *reading, next string) error {
	if err := a.document(o, r.plan.Encode); err != nil || o.json || o.silent(r) {
		return err
	}
	options := view.PlanOptions{Took: r.took, Next: next, Detail: o.detail()}
	write := view.Plan
	if r.failed() {
		write = view.Head
	}
	if err := write(a.out, a.outStyle(), r.plan, options); err != nil {
		return err
	}
	a.diagnostics(r.plan.Diagnostics)
	return nil
}

// document writes JSON where the flags want it: to stdout, into a file.
func (a *app) document(o *common, encode func(io.Writer) error) error {
	if o.json {
		if err := encode(a.out); err != nil {
			return err
		}
	}
	if o.jsonInto == "" {
		return nil
	}
	return writeFile(o.jsonInto, private, a.redacted(encode))
}

// savePlan writes the plan file. It holds references where secrets go, and apply
// needs it byte for byte, so that it does not pass the redactor.
func savePlan(path string, p *plan.Plan) error { return writeFile(path, private, p.Encode) }
