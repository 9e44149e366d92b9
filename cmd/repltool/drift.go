package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/repltool/repltool/plan"
)

func (a *app) driftCommand() *cobra.Command {
	var o common
	c := &cobra.Command{
		Use: "drift [flags] [DIR]", GroupID: groupSee, Args: atMost(1, "one directory"),
		Short: "tell what differs from the topology, for cron and CI",
		Long: "Compare the clusters with the topology in DIR: differences with what would mend them,\n" +
			"what nobody manages, and health. Nothing is changed. Exit code 0: in sync and healthy;\n" +
			"2: drift, or a health error; 3: a node could not be read, the rest is in sync.",
		Example: "  repltool drift\n  repltool drift -quiet -json-into=drift.json",
		RunE:    func(c *cobra.Command, args []string) error { return a.drift(c.Context(), dirOf(args), &o) },
	}
	o.register(c.Flags())
	return c
}

func (a *app) drift(ctx context.Context, dir string, o *common) error {
	r, loading, err := a.survey(ctx, dir, o, plan.Options{})
	if err != nil {
		return err
	}
	if r == nil {
		return a.refuse(o, loading)
	}
	next := ""
	if len(r.plan.Changes) > 0 {
		next = "Mend it: " + a.command(append(append([]string{"apply"}, o.again(r.topology)...), dirWord(dir))...)
	}
	if err := a.showPlan(o, r, next); err != nil || r.failed() {
		return orExit(err, exitError)
	}
	return driftCode(r.plan)
}

// driftCode counts a health error as drift. What nobody manages is told, and is
// none: it will be there tomorrow.
func driftCode(p *plan.Plan) error {
	ill := false
	for _, h := range p.Health {
		ill = ill || h.Severity == plan.Error
	}
	switch {
	case len(p.Changes) > 0 || len(p.Drift) > 0 || ill:
		return exitChanges
	case !p.Complete:
		return exitIncomplete
	default:
		return nil
	}
}
