package main

import (
	"bytes"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/repltool/repltool/internal/view"
	"github.com/repltool/repltool/internal/view/sink"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// showFlags are those of show.
type showFlags struct {
	variables
	format         string
	json           bool
	quiet, verbose bool
}

func (a *app) showCommand() *cobra.Command {
	var o showFlags
	c := &cobra.Command{
		Use: "show [flags] [PLANFILE|DIR]", GroupID: groupSee, Args: atMost(1, "one plan file or directory"),
		Short: "show a saved plan, or the topology, in other formats",
		Long: "Show a saved plan as text; as json, the plan itself; as markdown or diff-markdown, for a " +
			"merge request; as gitlab, the counts that GitLab shows in a merge request; or as junit, a test report. Without a " +
			"plan, show the topology in DIR with every expression evaluated, as text, json or markdown. " +
			"No host is contacted, and no password is needed.",
		Example: "  repltool show\n  repltool show main.plan\n  repltool show -format=markdown main.plan",
		RunE:    func(_ *cobra.Command, args []string) error { return a.show(args, o) },
	}
	o.register(c.Flags())
	c.Flags().StringVar(&o.format, "format", "text", "`FORMAT`: text, json, markdown, diff-markdown, gitlab, junit")
	c.Flags().BoolVar(&o.json, "json", false, "the same as -format=json")
	c.Flags().BoolVar(&o.quiet, "quiet", false, "show changes without their steps")
	c.Flags().BoolVar(&o.verbose, "verbose", false, "also show checks, queries and each unmanaged object")
	return c
}

func (a *app) show(args []string, o showFlags) error {
	if o.json {
		o.format = "json"
	}
	if info, err := os.Stat(dirOf(args)); len(args) == 0 || err == nil && info.IsDir() {
		return a.showTopology(dirOf(args), o)
	}
	p, err := readPlan(args[0])
	if err != nil {
		return err
	}
	switch o.format {
	case "text":
		common := common{quiet: o.quiet, verbose: o.verbose}
		next := ""
		if len(p.Changes) > 0 {
			next = "Apply it: " + a.command("apply", args[0], "DIR") + " (DIR: the topology's directory)"
		}
		return view.Plan(a.out, a.outStyle(), p, view.PlanOptions{Detail: common.detail(), Next: next})
	case "json":
		return p.Encode(a.out)
	case "markdown":
		return view.Markdown(a.out, p)
	case "diff-markdown":
		return view.DiffMarkdown(a.out, p)
	case "gitlab":
		return sink.GitLabCounts(a.out, p)
	case "junit":
		return sink.PlanJUnit(a.out, p, a.redactor.String)
	}
	return fmt.Errorf("-format=%s: must be text, json, markdown, diff-markdown, gitlab or junit", o.format)
}

// showTopology shows what the topology of dir says.
func (a *app) showTopology(dir string, o showFlags) error {
	in := o.inputs(a)
	in.NoSecrets = true
	t, diagnostics := a.load(dir, in)
	a.diagnostics(diagnostics)
	if hasErrors(diagnostics) {
		return exitError
	}
	v := view.NewTopology(t)
	switch o.format {
	case "text":
		return v.Write(a.out, a.outStyle())
	case "json":
		return v.JSON(a.out)
	case "markdown":
		return v.Markdown(a.out)
	}
	if o.format == "diff-markdown" || o.format == "gitlab" || o.format == "junit" {
		return fmt.Errorf("-format=%s needs a saved plan: %s", o.format, a.command("show", "-format="+o.format, "main.plan"))
	}
	return fmt.Errorf("-format=%s: must be text, json or markdown for a topology", o.format)
}

// largestPlan is the size of a plan file at most.
const largestPlan = 256 << 20

// readPlan reads a plan file.
func readPlan(path string) (*plan.Plan, error) {
	text, err := topology.ReadFile(path, largestPlan)
	if err != nil {
		return nil, fmt.Errorf("cannot read the plan file: %w", err)
	}
	p, err := plan.Decode(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}
