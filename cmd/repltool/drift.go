package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/plan"
)

func (a *app) driftCommand() *cobra.Command {
	var o common
	var to sinks
	c := &cobra.Command{
		Use: "drift [flags] [DIR]", GroupID: groupSee, Args: atMost(1, "one directory"),
		Short: "report differences from the topology, for cron and CI",
		Long: "Compare the clusters with the topology in DIR, and report differences with the changes that " +
			"would remove them, unmanaged objects, and health. Nothing is changed. Exit code 0: in sync " +
			"and healthy (with -quiet, nothing is printed); 2: drift, or a health error; 3: a node could " +
			"not be read, and the rest is in sync. One run writes to any number of files besides, however it ends; " +
			"one that cannot be written is an error, and the others are written.",
		Example: "  repltool drift\n  repltool drift -quiet -json-into=drift.json\n" +
			"  repltool drift -quiet -prom-file=/var/lib/prometheus/node-exporter/repltool.prom\n" +
			"  repltool drift -github -junit-file=drift.xml\n" +
			"  repltool drift -quiet -webhook=https://alertmanager:9093/api/v2/alerts -webhook-format=alertmanager",
		RunE: func(c *cobra.Command, args []string) error { return a.drift(c.Context(), dirOf(args), &o, &to) },
	}
	o.register(c.Flags())
	to.register(c.Flags())
	readsOnly(c.Flags())
	return c
}

func (a *app) drift(ctx context.Context, dir string, o *common, to *sinks) error {
	target, err := to.hook.target(a)
	if err != nil {
		return err
	}
	to.target = target
	r, loading, err := a.survey(ctx, dir, o, cluster.Options{})
	if err != nil {
		return err
	}
	if r == nil {
		return a.deliver(ctx, to, o, a.runOf(dir, nil, loading), a.refuse(o, loading))
	}
	next := ""
	if len(r.plan.Changes) > 0 {
		next = "To fix: " + a.command(append(append([]string{"apply"}, o.again(r.topology)...), dirWord(dir))...)
	}
	r.plan.Diagnostics = r.withoutFindings()
	ended := orExit(a.showPlan(o, r, next), driftCode(r))
	return a.deliver(ctx, to, o, a.runOf(dir, r, loading), ended)
}

// silent reports whether all is in sync and -quiet wants no word of that: cron mails what is
// printed.
func (o *common) silent(r *reading) bool {
	return o.quiet && driftCode(r) == nil && len(r.plan.Diagnostics) == 0
}

// driftCode counts a health error as drift. What nobody manages is reported, and is
// none: it will be there tomorrow.
func driftCode(r *reading) error {
	p := r.plan
	switch {
	case r.failed():
		return exitError
	case len(p.Changes) > 0 || len(p.Drift) > 0 || ill(p.Findings):
		return exitChanges
	case !p.Complete:
		return exitIncomplete
	default:
		return nil
	}
}

// ill reports whether there is a health error.
func ill(health []plan.Finding) bool {
	return slices.ContainsFunc(health, func(h plan.Finding) bool { return h.Severity == plan.Error })
}
