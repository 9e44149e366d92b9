package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The groups of verbs in -help.
const (
	groupWrite = "write"
	groupRun   = "run"
	groupSee   = "see"
)

// root is the command without a verb.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "repltool COMMAND [flags] [DIR]",
		Short: "PostgreSQL replication as code",
		Long: "repltool describes PostgreSQL replication as code: a topology in HCL, a plan that\n" +
			"shows every statement, file edit and command before anything happens, an apply that\n" +
			"does exactly those, and a drift check.",
		SilenceErrors: true, SilenceUsage: true, Version: version,
		PersistentPreRunE: func(*cobra.Command, []string) error { return a.changeDir() },
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(c, args[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetIn(a.in)
	root.SetVersionTemplate("repltool {{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	root.SetUsageFunc(usage)
	root.SetHelpFunc(help)
	f := root.PersistentFlags()
	f.BoolVar(&a.noColor, "no-color", false, "no colours")
	f.StringVar(&a.chdir, "chdir", "", "work as if started in `DIR`")
	root.AddGroup(
		&cobra.Group{ID: groupWrite, Title: "Write a topology"},
		&cobra.Group{ID: groupRun, Title: "Make it so"},
		&cobra.Group{ID: groupSee, Title: "See"})
	root.SetHelpCommandGroupID(groupSee)
	root.SetCompletionCommandGroupID(groupSee)
	root.AddCommand(a.initCommand(), a.validateCommand(), a.fmtCommand(),
		a.planCommand(), a.applyCommand(), a.driftCommand(),
		a.statusCommand(), a.showCommand(), a.versionCommand())
	root.AddCommand(unsupported()...)
	return root
}

// changeDir is -chdir: every path after it is seen from there.
func (a *app) changeDir() error {
	if a.chdir == "" {
		return nil
	}
	if err := os.Chdir(a.chdir); err != nil {
		return fmt.Errorf("-chdir: %w", err)
	}
	return nil
}

// unsupported are the verbs that are planned. They are not in -help.
func unsupported() []*cobra.Command {
	var all []*cobra.Command
	for _, name := range []string{"import", "graph", "switchover", "failover", "destroy", "history", "man"} {
		all = append(all, &cobra.Command{
			Use: name, Hidden: true, DisableFlagParsing: true,
			RunE: func(*cobra.Command, []string) error { return fmt.Errorf("%s is not supported yet", name) },
		})
	}
	return all
}

// help prints what -help and the help verb do.
func help(c *cobra.Command, _ []string) {
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	fmt.Fprintf(c.OutOrStdout(), "%s\n\n%s", text, usageText(c))
}

func usage(c *cobra.Command) error {
	_, err := fmt.Fprint(c.ErrOrStderr(), usageText(c))
	return err
}

func usageText(c *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: %s\n", strings.TrimSpace(parentPath(c)+" "+strings.ReplaceAll(c.Use, " [flags]", "")+flagsWord(c)))
	for _, g := range c.Groups() {
		fmt.Fprintf(&b, "\n%s\n", g.Title)
		for _, sub := range c.Commands() {
			if sub.GroupID == g.ID && !sub.Hidden {
				fmt.Fprintf(&b, "  %-12s %s\n", sub.Name(), sub.Short)
			}
		}
	}
	if len(c.Groups()) == 0 && c.HasAvailableSubCommands() {
		b.WriteString("\n")
		for _, sub := range c.Commands() {
			fmt.Fprintf(&b, "  %-12s %s\n", sub.Name(), sub.Short)
		}
	}
	flagText(&b, "Flags", c.LocalNonPersistentFlags())
	flagText(&b, "Flags of every command", c.Root().PersistentFlags())
	return b.String()
}

func parentPath(c *cobra.Command) string {
	if c.HasParent() {
		return c.Parent().CommandPath()
	}
	return ""
}

func flagsWord(c *cobra.Command) string {
	if c.HasParent() && c.LocalNonPersistentFlags().HasAvailableFlags() {
		return " [flags]"
	}
	return ""
}

func flagText(b *strings.Builder, title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	fmt.Fprintf(b, "\n%s\n", title)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" || f.Name == "version" {
			return
		}
		value, text := pflag.UnquoteUsage(f)
		name := "-" + f.Name
		if f.NoOptDefVal == "" {
			name += "=" + value
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" && f.DefValue != "true" {
			text += " (" + f.DefValue + ")"
		}
		fmt.Fprintf(b, "  %-24s %s\n", name, text)
	})
}
