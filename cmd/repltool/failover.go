package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/view"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// failoverFlags are those of failover.
type failoverFlags struct {
	moveFlags
	noEdit bool
}

func (a *app) failoverCommand() *cobra.Command {
	var o failoverFlags
	c := &cobra.Command{
		Use: "failover CLUSTER [-to=NODE] [flags] [DIR]", GroupID: groupRun, Args: moveArgs,
		Short: "replace a primary that is down",
		Long: "Make a standby of CLUSTER the primary in place of one whose server is down and whose host answers: NODE, or the standby that has the most WAL. " +
			"Edits the topology as switchover does, then plans, shows the evidence, asks for approval, and applies. The old primary is made a standby, " +
			"started, and sends the WAL that only it has; then the new one is promoted. A primary that is alive is refused, and so is one " +
			"whose host does not answer (not supported yet).",
		Example: "  repltool failover main\n  repltool failover main -to=pg2 -auto-approve\n  repltool failover main -no-edit",
		RunE: func(c *cobra.Command, args []string) error {
			return a.failover(c.Context(), args[0], dirOf(args[1:]), &o)
		},
	}
	o.register(c.Flags(), "promote the standby `NODE`", "failover")
	c.Flags().BoolVar(&o.noEdit, "no-edit", false, "only print the edit of the topology; plan and apply nothing")
	return c
}

func (a *app) failover(ctx context.Context, name, dir string, o *failoverFlags) error {
	if err := o.check(); err != nil {
		return err
	}
	if len(o.targets) > 0 {
		return fmt.Errorf("-target cannot be used with failover: it is applied whole")
	}
	x := &application{app: a, o: &o.applyFlags, dir: dir, verb: plan.AllowSwitchover}
	return a.withEvents(&o.common, func(events *view.Events) error {
		x.events = events
		t, err := x.loaded()
		if err != nil {
			return err
		}
		c, to, err := x.heir(ctx, t, name, o.to)
		if err != nil {
			return err
		}
		x.fails = []string{c.ID}
		if !o.noEdit {
			return x.replaced(x.runEdited(ctx, c, to))
		}
		e, err := x.edited(c, to)
		if err == nil && e.path != "" {
			fmt.Fprint(x.out, e.diff())
		}
		return err
	})
}

// replaced returns how a failover ended. Its plan is one of the primary alone, since without one
// nothing else can be compared: that is no gap once it is done.
func (x *application) replaced(err error) error {
	var code exit
	if !errors.As(err, &code) || code != exitIncomplete || x.report == nil || !x.report.OK() {
		return err
	}
	if !x.o.json && !x.o.quiet {
		x.sayf("What else the new primary requires is planned now that there is one: %s", x.command("apply", dirWord(x.dir)))
	}
	return nil
}

// heir returns who is to lead: the node of that name or, where none is given, the one that has the
// most WAL. One that the topology names already, and that does not lead, was chosen before.
func (x *application) heir(ctx context.Context, t *topology.Topology, name, to string) (*topology.Cluster, *topology.Node, error) {
	if to != "" {
		return chosen(t, name, to)
	}
	c, err := clusterOfName(t, name)
	if err != nil {
		return nil, nil, err
	}
	live := x.connect(t, x.way(&x.o.common))
	found := live.Inspect(ctx, nil)
	if err := live.Close(); err != nil {
		return nil, nil, err
	}
	s := cluster.New(t, found, cluster.Options{}).Of(c)
	if leader := s.Now.Leader; leader != nil {
		return nil, nil, fmt.Errorf("%s is alive: it leads %s\nNothing was changed. To move the primary: repltool switchover %s -to=NODE", leader.Name, c.ID, c.Name)
	}
	if server := s.Found(c.Primary).Server; server != nil && server.InRecovery {
		return c, c.Primary, nil
	}
	candidates := s.Candidates(c.Primary)
	if len(candidates) == 0 || candidates[0].Why != "" {
		return nil, nil, fmt.Errorf("%s has no standby that can take the place of %s:\n%sNothing was changed", c.ID, c.Primary.Name, listed(candidates))
	}
	if !x.o.json && !x.o.quiet {
		x.sayf("%s is chosen: of those that can take the place of %s, none has more WAL.\n%s", candidates[0].Node.Name, c.Primary.Name, listed(candidates))
	}
	return c, candidates[0].Node, nil
}

// listed writes the candidates, one a line.
func listed(all []cluster.Candidate) string {
	var b strings.Builder
	for _, c := range all {
		fmt.Fprintf(&b, "  %s", c.Node.Name)
		if c.Has.LSN != "" {
			fmt.Fprintf(&b, ": WAL up to %s on timeline %d", c.Has.LSN, c.Has.Timeline)
		}
		if c.Why != "" {
			fmt.Fprintf(&b, "; it %s", c.Why)
		}
		b.WriteString("\n")
	}
	return b.String()
}
