package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/repltool/repltool/internal/view"
	"github.com/repltool/repltool/topology"
)

func (a *app) validateCommand() *cobra.Command {
	o := struct {
		variables
		json bool
	}{}
	c := &cobra.Command{
		Use: "validate [flags] [DIR]", GroupID: groupWrite, Args: atMost(1, "one directory"),
		Short: "check a topology without contacting any host",
		Long: "Check the topology in DIR: syntax, names, values, references. No host is contacted, and " +
			"variables need no value: what depends on an unset variable is checked by type only.",
		Example: "  repltool validate\n  repltool validate -json prod",
		RunE:    func(_ *cobra.Command, args []string) error { return a.validate(dirOf(args), o.inputs(a), o.json) },
	}
	o.register(c.Flags())
	c.Flags().BoolVar(&o.json, "json", false, "write JSON to stdout, in the format of `terraform validate -json`")
	return c
}

func (a *app) validate(dir string, in topology.Inputs, json bool) error {
	in.Unset = true
	t, diagnostics := a.load(dir, in)
	if json {
		if err := view.Validation(a.out, diagnostics); err != nil {
			return err
		}
	} else {
		a.diagnostics(diagnostics)
	}
	if hasErrors(diagnostics) {
		return exitError
	}
	if !json {
		a.printf("Valid. %s.\n", counts(t))
		a.printf("To see what would change: %s\n", a.command("plan", dirWord(dir)))
	}
	return nil
}

// counts leaves out the kinds that a topology has none of, clusters and nodes apart.
func counts(t *topology.Topology) string {
	text := plural(len(t.Clusters), "cluster") + ", " + plural(len(t.Nodes), "node")
	if n := len(t.Publications); n > 0 {
		text += ", " + plural(n, "publication")
	}
	if n := len(t.Subscriptions); n > 0 {
		text += ", " + plural(n, "subscription")
	}
	return text
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
