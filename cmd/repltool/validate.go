package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/repltool/repltool/internal/view"
	"github.com/repltool/repltool/internal/view/sink"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

func (a *app) validateCommand() *cobra.Command {
	o := struct {
		variables
		json   bool
		format string
	}{}
	c := &cobra.Command{
		Use: "validate [flags] [DIR]", GroupID: groupWrite, Args: atMost(1, "one directory"),
		Short: "check a topology without contacting any host",
		Long: "Check the topology in DIR: syntax, names, values, references. No host is contacted, and " +
			"variables need no value: what depends on an unset variable is checked by type only. " +
			"With -format=sarif, the result is for code scanning on GitHub; with codeclimate, for code quality on GitLab.",
		Example: "  repltool validate\n  repltool validate -json prod\n  repltool validate -format=sarif > repltool.sarif",
		RunE: func(_ *cobra.Command, args []string) error {
			if o.json {
				o.format = "json"
			}
			return a.validate(dirOf(args), o.inputs(a), o.format)
		},
	}
	o.register(c.Flags())
	c.Flags().StringVar(&o.format, "format", "text", "`FORMAT`: text, json, sarif, codeclimate")
	c.Flags().BoolVar(&o.json, "json", false, "the same as -format=json: the format of `terraform validate -json`")
	return c
}

func (a *app) validate(dir string, in topology.Inputs, format string) error {
	if !slices.Contains([]string{"text", "json", "sarif", "codeclimate"}, format) {
		return fmt.Errorf("-format=%s: must be text, json, sarif or codeclimate", format)
	}
	in.Unset = true
	t, diagnostics := a.load(dir, in)
	if err := a.showValidation(dir, diagnostics, format); err != nil {
		return err
	}
	if hasErrors(diagnostics) {
		return exitError
	}
	if format == "text" {
		a.printf("Valid. %s.\n", counts(t))
		a.printf("To see what would change: %s\n", a.command("plan", dirWord(dir)))
	}
	return nil
}

func (a *app) showValidation(dir string, diagnostics []plan.Diagnostic, format string) error {
	from := sink.Sources{Dir: dir, Base: a.checkout()}
	switch format {
	case "json":
		return view.Validation(a.out, diagnostics)
	case "sarif":
		return sink.SARIF(a.out, version, from, diagnostics)
	case "codeclimate":
		return sink.CodeClimate(a.out, from, diagnostics)
	}
	a.diagnostics(diagnostics)
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
