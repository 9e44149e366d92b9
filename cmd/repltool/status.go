package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/view"
	"github.com/repltool/repltool/internal/view/sink"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// watchEvery is how long `status -watch` rests between two readings.
const watchEvery = 2 * time.Second

func (a *app) statusCommand() *cobra.Command {
	var o common
	var form statusForm
	c := &cobra.Command{
		Use: "status [flags] [DIR]", GroupID: groupSee, Args: atMost(1, "one directory"),
		Short: "show the primary, its standbys, and their lag",
		Long: "Show the state of replication of the clusters in DIR: role, state, sync state, timeline, " +
			"upstream, slot, LSN and lag of every node, and health. \"-\" means that PostgreSQL reports " +
			"no value. Exit code 2: a health error; 3: a node could not be read, and the rest is healthy. " +
			"With -nagios, a monitoring plugin: one line with performance data, and exit code 0 (OK), 1 (WARNING), 2 (CRITICAL) or 3 (UNKNOWN).",
		Example: "  repltool status\n  repltool status -watch\n  repltool status -json\n  repltool status -nagios /etc/repltool/orders",
		RunE:    func(c *cobra.Command, args []string) error { return a.status(c.Context(), dirOf(args), &o, form) },
	}
	o.register(c.Flags())
	readsOnly(c.Flags())
	c.Flags().Lookup("verbose").Hidden = true // there is nothing more to show
	c.Flags().Lookup("quiet").Usage = "no progress"
	c.Flags().BoolVar(&form.watch, "watch", false, "refresh every two seconds until interrupted")
	c.Flags().BoolVar(&form.nagios, "nagios", false, "one line, and the exit codes of a monitoring plugin")
	return c
}

// statusForm is how the state is shown, other than as tables.
type statusForm struct{ watch, nagios bool }

func (a *app) status(ctx context.Context, dir string, o *common, form statusForm) error {
	if form.nagios && (form.watch || o.json) {
		return fmt.Errorf("-nagios cannot be used with -watch or -json")
	}
	t, loading := a.load(dir, o.inputs(a))
	if hasErrors(loading) && form.nagios {
		return a.nagios(a.runOf(dir, nil, loading))
	}
	if hasErrors(loading) {
		return a.refuse(o, loading)
	}
	live := a.connect(t, a.way(o))
	defer live.Close()
	if form.watch {
		return a.watch(ctx, t, live, o)
	}
	r, err := a.read(ctx, t, loading, live, cluster.Options{RepltoolVersion: version, Targets: o.targets}, o.quiet || o.json || form.nagios)
	if err != nil {
		return err
	}
	if form.nagios {
		return a.nagios(a.runOf(dir, r, loading))
	}
	if !o.json {
		a.diagnostics(r.withoutFindings())
	}
	return orExit(a.showStatus(o, r, ""), statusCode(r))
}

// nagios shows the state as a monitoring plugin does. Its exit codes are those of plugins.
func (a *app) nagios(r sink.Run) error {
	state, err := sink.Nagios(a.out, sink.New(r))
	if err != nil || state == sink.NagiosOK {
		return err
	}
	return exit(state)
}

// statusCode is that of drift, as far as status looks: it compares no objects.
func statusCode(r *reading) error {
	switch {
	case !slices.ContainsFunc(r.plan.Nodes, func(n plan.Node) bool { return n.Reachable && n.Error == "" }):
		return exitError
	case ill(r.plan.Findings):
		return exitChanges
	case slices.ContainsFunc(r.plan.Nodes, func(n plan.Node) bool { return n.Error != "" }):
		return exitIncomplete
	default:
		return nil
	}
}

// watch shows the state over and over, with the time: on a cleared screen, or below
// the last off a terminal. A signal is the way out.
func (a *app) watch(ctx context.Context, t *topology.Topology, live clusters, o *common) error {
	const clear = "\x1b[H\x1b[2J"
	between := "\n"
	if isTerminal(a.raw.out) && !a.dumb() {
		between = clear
	}
	before := strings.TrimLeft(between, "\n")
	for {
		r, err := a.read(ctx, t, nil, live, cluster.Options{RepltoolVersion: version}, true)
		if err != nil {
			return err
		}
		if err := a.showStatus(o, r, before+time.Now().Format("2006-01-02 15:04:05 MST")+"\n"); err != nil {
			return err
		}
		before = between
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(watchEvery):
		}
	}
}

// showStatus writes the state in one piece, after the text before.
func (a *app) showStatus(o *common, r *reading, before string) error {
	s := view.NewStatus(r.topology, r.facts, r.plan)
	if err := a.document(o, s.JSON); err != nil || o.json {
		return err
	}
	var text bytes.Buffer
	text.WriteString(before)
	if err := s.Write(&text, a.outStyle()); err != nil {
		return err
	}
	if _, err := text.WriteTo(a.out); err != nil {
		return err
	}
	return a.out.Flush()
}
