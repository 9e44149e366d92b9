package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/repltool/repltool/apply"
	"github.com/repltool/repltool/internal/view"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// applyFlags are those of apply.
type applyFlags struct {
	common
	autoApprove bool
	allow       []string
	replace     []string
	adopt       bool
}

func (a *app) applyCommand() *cobra.Command {
	var o applyFlags
	c := &cobra.Command{
		Use: "apply [flags] [PLANFILE] [DIR]", GroupID: groupRun, Args: atMost(2, "a plan file and a directory"),
		Short: "apply the changes",
		Long: "Plan, ask for approval, and run exactly what was planned. A saved plan runs as saved, " +
			"without asking, or is refused as stale; its statements, shown when it was made, are repeated with -verbose. With -auto-approve or a saved plan, only changes " +
			"that are online, that reload, or that copy into an empty place are run; all others also need " +
			"-allow, or a yes at the prompt. The first Ctrl-C lets running steps finish and leaves base " +
			"backups running; the second exits at once.",
		Example: "  repltool apply\n  repltool apply main.plan\n  repltool apply -auto-approve -allow=restart",
		RunE: func(c *cobra.Command, args []string) error {
			return a.apply(c.Context(), args, &o)
		},
	}
	o.register(c.Flags())
	c.Flags().BoolVar(&o.autoApprove, "auto-approve", false, "do not ask for approval")
	c.Flags().StringSliceVar(&o.allow, "allow", nil, "also approve the kinds of changes in `LIST`: restart, drop, switchover, reclone, recreate, discard")
	c.Flags().StringArrayVar(&o.replace, "replace", nil, "clone the standby again, or recreate the slot or subscription, at `ADDRESS`; repeatable")
	c.Flags().BoolVar(&o.adopt, "adopt", false, "write marks of ownership, the ledger and managed blocks, also if nothing else changes")
	return c
}

// application is one run of apply.
type application struct {
	*app
	o        *applyFlags
	dir      string
	file     string     // of the saved plan, or ""
	saved    *plan.Plan // nil: plan now
	topology *topology.Topology
	loading  []plan.Diagnostic
	live     clusters
	events   *view.Events   // nil: nobody wants JSON
	moves    []string       // clusters of which the primary is to move
	fails    []string       // clusters of which the primary is gone, and is to be replaced
	verb     plan.Allowance // what the verb itself asks for: it needs no -allow
	report   *apply.Report  // of what was run; nil: nothing was
}

func (a *app) apply(ctx context.Context, args []string, o *applyFlags) error {
	if err := o.check(); err != nil {
		return err
	}
	x := &application{app: a, o: o}
	if err := x.arguments(args); err != nil {
		return err
	}
	return a.withEvents(&o.common, func(events *view.Events) error {
		x.events = events
		return x.run(ctx)
	})
}

// check refuses flags that contradict themselves.
func (o *applyFlags) check() error {
	for _, word := range o.allow {
		switch plan.Allowance(word) {
		case plan.AllowRestart, plan.AllowDrop, plan.AllowSwitchover, plan.AllowReclone, plan.AllowRecreate, plan.AllowDiscard:
		default:
			return fmt.Errorf("-allow=%s: must be a list of restart, drop, switchover, reclone, recreate and discard", word)
		}
	}
	return nil
}

// arguments tells the plan file from the directory: a directory is one.
func (x *application) arguments(args []string) error {
	for _, arg := range args {
		info, err := os.Stat(arg)
		switch {
		case errors.Is(err, os.ErrNotExist):
			return fmt.Errorf("there is no plan file or directory %q\nTo save a plan:\n  %s", arg, x.command("plan", "-out="+arg))
		case err != nil:
			return err
		case info.IsDir() && x.dir == "":
			x.dir = arg
		case !info.IsDir() && x.file == "":
			x.file = arg
		default:
			return fmt.Errorf("apply accepts one plan file and one directory; unexpected argument %q", arg)
		}
	}
	if x.dir == "" {
		x.dir = "."
	}
	if x.file == "" {
		return nil
	}
	if len(x.o.targets)+len(x.o.replace) > 0 {
		return fmt.Errorf("-target and -replace cannot be used with a saved plan: use them with repltool plan -out")
	}
	if x.o.adopt {
		return fmt.Errorf("-adopt cannot be used with a saved plan, which has the marks of ownership that its changes bring")
	}
	saved, err := readPlan(x.file)
	x.saved = saved
	return err
}

// run loads, plans under the locks, asks, and runs.
func (x *application) run(ctx context.Context) error {
	in := x.o.inputs(x.app)
	if x.saved != nil {
		in.Variables = x.saved.Variables
	}
	x.topology, x.loading = x.load(x.dir, in)
	if hasErrors(x.loading) {
		x.tell(x.loading)
		return exitError
	}
	if x.saved != nil && x.saved.TopologyHash != x.topology.Hash() {
		return x.stale([]apply.Difference{{Address: "the topology", Was: "unchanged", Is: "edited, or a variable has another value"}})
	}
	x.live = x.connect(x.topology, x.way(&x.o.common))
	defer x.live.Close()
	r, locks, err := x.prepare(ctx)
	if err != nil {
		return x.locked(err)
	}
	defer func() { _ = locks.Release() }() // they go with their connections anyhow
	return x.decide(ctx, r, locks)
}

// decide shows the plan, and runs it where it may be run.
func (x *application) decide(ctx context.Context, r *reading, locks *apply.Locks) error {
	x.tell(r.plan.Diagnostics)
	if x.events != nil {
		x.events.Plan(r.plan)
	}
	if err := x.show(r); err != nil || r.failed() {
		return orExit(err, exitError)
	}
	if x.saved != nil {
		if found := apply.Stale(x.saved, r.plan); len(found) > 0 {
			return x.stale(found)
		}
		r.plan = x.saved
	}
	if len(r.plan.Changes) == 0 {
		return planCode(r.plan, false)
	}
	if err := x.refuseUnread(r.plan); err != nil {
		return err
	}
	if err := x.consent(ctx, r.plan); err != nil {
		return err
	}
	return x.execute(ctx, r, locks)
}

// show writes the plan; of a saved one, which was shown when it was made, only the changes.
func (x *application) show(r *reading) error {
	if x.o.json || x.o.silent(r) {
		return nil
	}
	write := view.Plan
	if r.failed() {
		write = view.Head
	}
	detail := x.o.detail()
	if x.saved != nil && detail == view.Normal {
		detail = view.Brief
	}
	next := ""
	if len(r.plan.Adopt) > 0 && !r.failed() {
		next = x.toAdopt(&x.o.common, x.topology, x.dir)
	}
	return write(x.out, x.outStyle(), r.plan, view.PlanOptions{Took: r.took, Detail: detail, Next: next})
}

// tell tells of diagnostics, as text or as events.
func (x *application) tell(diagnostics []plan.Diagnostic) {
	if x.events != nil {
		x.events.Diagnostics(diagnostics)
	}
	if !x.o.json {
		x.diagnostics(diagnostics)
	}
}

// refused tells of an error of the run as a whole.
func (x *application) refused(code exit, summary, detail string) error {
	x.tell([]plan.Diagnostic{{Severity: plan.Error, Code: plan.CodeOf(summary), Summary: summary, Detail: detail}})
	return code
}

// stale refuses a saved plan, naming each object: was, is.
func (x *application) stale(found []apply.Difference) error {
	detail := ""
	for _, d := range found {
		detail += "  " + d.String() + "\n"
	}
	return x.refused(exitStale, "Stale plan",
		"Nothing was changed. Since the plan was saved, these changed:\n"+detail+"To save a new plan:\n  "+x.command("plan", "-out="+x.file, dirWord(x.dir)))
}

// locked tells who holds a lock.
func (x *application) locked(err error) error {
	var held *apply.LockedError
	if !errors.As(err, &held) {
		return err
	}
	return x.refused(exitStale, "Lock held by another apply",
		"Nothing was changed: "+held.Error()+".\nTo wait for it:\n  "+x.command("apply", "-lock-timeout=10m", x.file, dirWord(x.dir)))
}
