package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/repltool/repltool/internal/view"
	"github.com/repltool/repltool/plan"
)

func (a *app) switchoverCommand() *cobra.Command {
	var o moveFlags
	c := &cobra.Command{
		Use: "switchover CLUSTER -to=NODE [flags] [DIR]", GroupID: groupRun, Args: moveArgs,
		Short: "make a standby the primary",
		Long: "Make NODE the primary of CLUSTER in the topology, keeping layout and comments, then plan, ask for approval, and apply: " +
			"the same as editing primary and standbys and running apply. The other standbys follow NODE before anything stops; the primary " +
			"is shut down, NODE replays all of its WAL and is promoted, and the old primary becomes its standby. If a step fails before the " +
			"promotion, everything is taken back, including the edit.",
		Example: "  repltool switchover main -to=pg2\n  repltool switchover main -to=pg2 -auto-approve",
		RunE: func(c *cobra.Command, args []string) error {
			return a.switchover(c.Context(), args[0], dirOf(args[1:]), &o)
		},
	}
	o.register(c.Flags(), "make the standby `NODE` the primary", "switchover")
	return c
}

func (a *app) switchover(ctx context.Context, cluster, dir string, o *moveFlags) error {
	if err := o.check(); err != nil {
		return err
	}
	if len(o.targets) > 0 {
		return fmt.Errorf("-target cannot be used with switchover: the move and what follows from it are applied whole. For a part of the plan edit primary, then: repltool apply -target=%s", o.targets[0])
	}
	x := &application{app: a, o: &o.applyFlags, dir: dir, verb: plan.AllowSwitchover}
	return a.withEvents(&o.common, func(events *view.Events) error {
		x.events = events
		t, err := x.loaded()
		if err != nil {
			return err
		}
		c, n, err := chosen(t, cluster, o.to)
		if err != nil {
			return err
		}
		x.moves = []string{c.ID}
		return x.runEdited(ctx, c, n)
	})
}
