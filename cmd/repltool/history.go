package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/repltool/repltool/apply"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/view"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// historyFlags are those of history.
type historyFlags struct {
	common
	limit int
}

func (a *app) historyCommand() *cobra.Command {
	var o historyFlags
	c := &cobra.Command{
		Use: "history [flags] [CLUSTER]", GroupID: groupSee, Args: atMost(1, "one cluster"),
		Short: "show who applied what, when, and with which result",
		Long: "Show the applies that changed CLUSTER, or each cluster of the topology in the working directory, the latest first: who ran them, when, " +
			"for how long, the CI run and its commit, and how they ended. They are read from repltool's ledger on the primary. " +
			"Exit code 3: a primary could not be read, and others were.",
		Example: "  repltool history\n  repltool history -limit=100 main\n  repltool history -json -chdir=prod",
		RunE: func(c *cobra.Command, args []string) error {
			if o.limit < 1 {
				return fmt.Errorf("-limit=%d: must be 1 or more", o.limit)
			}
			return a.history(c.Context(), args, &o)
		},
	}
	o.register(c.Flags())
	readsOnly(c.Flags())
	lacks(c.Flags(), "verbose", "target")
	c.Flags().Lookup("quiet").Usage = "no progress"
	c.Flags().IntVar(&o.limit, "limit", 20, "show the latest `N` of each cluster")
	return c
}

func (a *app) history(ctx context.Context, names []string, o *historyFlags) error {
	t, loading := a.load(".", o.inputs(a))
	if hasErrors(loading) {
		return a.refuse(&o.common, loading)
	}
	all, err := named(t, names)
	if err != nil {
		return err
	}
	live := a.connect(t, a.way(&o.common))
	defer live.Close()
	done := a.announce(t, o.quiet || o.json)
	found := live.Inspect(ctx, nil)
	done()
	if err := ctx.Err(); err != nil {
		return err
	}
	h := view.History{FormatVersion: plan.FormatVersion, Complete: true, Applies: []view.Applied{}}
	read := 0
	for _, c := range all {
		applies, err := appliesOf(ctx, c, found, live.Env(nil, nil), o.limit)
		if err != nil {
			h.Complete = false
			a.fail(err)
			continue
		}
		read++
		h.Applies = append(h.Applies, applies...)
	}
	if read == 0 {
		return exitError
	}
	return orExit(a.showHistory(h, o), historyCode(h))
}

func (a *app) showHistory(h view.History, o *historyFlags) error {
	if err := a.document(&o.common, h.JSON); err != nil || o.json {
		return err
	}
	return h.Write(a.out, a.outStyle())
}

func historyCode(h view.History) error {
	if !h.Complete {
		return exitIncomplete
	}
	return nil
}

// named returns the cluster of that name; all for none.
func named(t *topology.Topology, names []string) ([]*topology.Cluster, error) {
	if len(names) == 0 {
		return t.Clusters, nil
	}
	c, err := clusterOfName(t, names[0])
	return []*topology.Cluster{c}, err
}

// appliesOf reads the ledger of a cluster, on the member that is its primary.
func appliesOf(ctx context.Context, c *topology.Cluster, found facts.Facts, env apply.Env, limit int) ([]view.Applied, error) {
	members := c.Members()
	i := slices.IndexFunc(members, func(n *topology.Node) bool { return found.Nodes[n.Name].Role() == facts.RolePrimary })
	if i < 0 {
		return nil, fmt.Errorf("the primary of %s could not be read\nThe ledger is there. To see why: repltool status", c.ID)
	}
	primary := members[i].Name
	if found.Nodes[primary].Server.Ledger == nil {
		return nil, nil // nothing was applied yet
	}
	rows, err := env.Machines[primary].Query(ctx, maintenance, "SELECT id, who, to_char(started AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'), "+
		"extract(epoch FROM ended - started), plan, result FROM repltool.applies ORDER BY id DESC LIMIT "+strconv.Itoa(limit))
	if err != nil {
		return nil, fmt.Errorf("read the ledger of %s on %s: %w", c.ID, primary, err)
	}
	var all []view.Applied
	for _, row := range rows {
		who := apply.Who(row[1])
		one := view.Applied{Cluster: c.ID, Who: who.Who, Run: who.Run, Started: row[2], Plan: row[4], Result: row[5]}
		if one.ID, err = strconv.ParseInt(row[0], 10, 64); err != nil {
			return nil, fmt.Errorf("read the ledger of %s on %s: %w", c.ID, primary, err)
		}
		if took, err := strconv.ParseFloat(row[3], 64); err == nil {
			one.Seconds = &took
		}
		all = append(all, one)
	}
	return all, nil
}
