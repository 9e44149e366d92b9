package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/view"
	"github.com/repltool/repltool/internal/view/graph"
	"github.com/repltool/repltool/plan"
)

func (a *app) graphCommand() *cobra.Command {
	var o common
	format, live := "text", false
	c := &cobra.Command{
		Use: "graph [flags] [DIR]", GroupID: groupSee, Args: atMost(1, "one directory"),
		Short: "draw the replication as text, dot, mermaid or svg",
		Long: "Draw who replicates to whom in the topology in DIR: standbys below their upstreams, and " +
			"subscribers below their publishers. svg is a picture for a run-book; mermaid is drawn by GitHub and " +
			"GitLab in Markdown; dot is for Graphviz. No host is contacted and no password is needed, except with -live: it adds the state of every " +
			"node, lag, and the number of changes that a plan would have for it. " +
			"Exit code of -live: 3 if a node could not be read.",
		Example: "  repltool graph\n  repltool graph -format=svg > replication.svg\n  repltool graph -live",
		RunE: func(c *cobra.Command, args []string) error {
			return a.graph(c.Context(), dirOf(args), &o, format, live)
		},
	}
	o.register(c.Flags())
	readsOnly(c.Flags())
	lacks(c.Flags(), "verbose", "json", "json-into", "target") // a picture is of the whole
	c.Flags().Lookup("quiet").Usage = "no progress"
	c.Flags().StringVar(&format, "format", format, "`FORMAT`: text, dot, mermaid, svg")
	c.Flags().BoolVar(&live, "live", false, "read the clusters, and add state and lag")
	return c
}

// graph draws the topology, and what was found if it is live.
func (a *app) graph(ctx context.Context, dir string, o *common, format string, live bool) error {
	if !slices.Contains([]string{"text", "dot", "mermaid", "svg"}, format) {
		return fmt.Errorf("-format=%s: must be text, dot, mermaid or svg", format)
	}
	in := o.inputs(a)
	in.NoSecrets = !live
	t, loading := a.load(dir, in)
	if hasErrors(loading) {
		return a.refuse(o, loading)
	}
	g := graph.New(t)
	if !live {
		a.diagnostics(loading)
		return a.draw(g, format)
	}
	connected := a.connect(t, a.way(o))
	defer connected.Close()
	r, err := a.read(ctx, t, loading, connected, cluster.Options{RepltoolVersion: version}, o.quiet)
	if err != nil {
		return err
	}
	g.Show(view.NewStatus(t, r.facts, r.plan), r.plan)
	return orExit(a.draw(g, format), graphCode(r.plan.Nodes))
}

func (a *app) draw(g *graph.Graph, format string) error {
	write := map[string]func(io.Writer) error{"text": g.Text, "dot": g.Dot, "mermaid": g.Mermaid, "svg": g.SVG}[format]
	return write(a.out)
}

// graphCode tells a picture with holes from a whole one.
func graphCode(nodes []plan.Node) error {
	unread := func(n plan.Node) bool { return !n.Reachable || n.Error != "" }
	switch {
	case !slices.ContainsFunc(nodes, func(n plan.Node) bool { return !unread(n) }):
		return exitError
	case slices.ContainsFunc(nodes, unread):
		return exitIncomplete
	}
	return nil
}
