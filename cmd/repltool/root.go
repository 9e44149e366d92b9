package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/repltool/repltool/internal/view"
)

// root is the command without a verb.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "repltool COMMAND [flags] [DIR]",
		Short: "PostgreSQL replication as code",
		Long: "repltool describes PostgreSQL replication as code: a topology in HCL, a plan that shows " +
			"every statement, file edit and command before anything happens, an apply that does exactly " +
			"those, and a drift check.",
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
	f.BoolVar(&a.noColor, "no-color", false, "no colors")
	f.StringVar(&a.chdir, "chdir", "", "change to `DIR` first")
	root.AddGroup(
		&cobra.Group{ID: groupWrite, Title: "Write a topology"},
		&cobra.Group{ID: groupRun, Title: "Change"},
		&cobra.Group{ID: groupSee, Title: "Inspect"})
	root.AddCommand(a.initCommand(), a.importCommand(), a.validateCommand(), a.fmtCommand(),
		a.planCommand(), a.applyCommand(), a.switchoverCommand(), a.failoverCommand(), a.statusCommand(), a.driftCommand(),
		a.endpointsCommand(), a.graphCommand(), a.historyCommand(), a.showCommand(), a.versionCommand())
	root.AddCommand(unsupported()...)
	ownWords(root)
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
	for name, instead := range map[string]string{
		"destroy": "Remove blocks from the topology, and apply: what repltool created is dropped.",
		"man":     "Help for a command: repltool COMMAND -help",
	} {
		all = append(all, &cobra.Command{
			Use: name, Hidden: true, DisableFlagParsing: true,
			RunE: func(*cobra.Command, []string) error { return fmt.Errorf("%s is not supported yet\n%s", name, instead) },
		})
	}
	return all
}

// helpWidth is how wide help texts are.
const helpWidth = 80

// help prints what -help and the help verb do.
func help(c *cobra.Command, _ []string) {
	text := c.Long
	if text == "" {
		text = strings.ToUpper(c.Short[:1]) + c.Short[1:] + "."
	}
	fmt.Fprintf(c.OutOrStdout(), "%s\n\n%s", strings.Join(view.Wrap(text, helpWidth), "\n"), usageText(c))
}

func usage(c *cobra.Command) error {
	_, err := fmt.Fprint(c.ErrOrStderr(), usageText(c))
	return err
}

func usageText(c *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: %s\n", strings.TrimSpace(parentPath(c)+" "+c.Use))
	for _, g := range c.Groups() {
		fmt.Fprintf(&b, "\n%s\n", g.Title)
		verbText(&b, c, g.ID)
	}
	if len(c.Groups()) == 0 && c.HasAvailableSubCommands() {
		b.WriteString("\n")
		verbText(&b, c, "")
	}
	if c.Example != "" {
		fmt.Fprintf(&b, "\nExamples\n%s\n", c.Example)
	}
	flagText(&b, "Flags", c.LocalNonPersistentFlags())
	flagText(&b, "Flags of all commands", c.Root().PersistentFlags())
	if !c.HasParent() {
		b.WriteString(environmentText)
	}
	return b.String()
}

const environmentText = "\n" +
	"Environment\n" +
	"  REPLTOOL_VAR_NAME        value of the variable NAME\n" +
	"  REPLTOOL_SSH_CONFIG      ssh configuration file to use instead of ~/.ssh/config\n" +
	"  REPLTOOL_WEBHOOK_URL     where drift posts what changed, like its -webhook\n" +
	"  REPLTOOL_WEBHOOK_SECRET  key of the signature of what it posts\n" +
	"  NO_COLOR                 no colors\n\nHelp for a command: repltool COMMAND -help\n"

// verbText lists the verbs of a group in the order in which one needs them; the
// parser would have them by name.
func verbText(b *strings.Builder, c *cobra.Command, group string) {
	order := []string{"init", "import", "validate", "fmt", "plan", "apply", "switchover", "failover", "status", "drift", "endpoints", "graph", "history", "show", "version", "completion", "help"}
	verbs := slices.Clone(c.Commands())
	slices.SortStableFunc(verbs, func(x, y *cobra.Command) int {
		return slices.Index(order, x.Name()) - slices.Index(order, y.Name())
	})
	for _, verb := range verbs {
		if verb.GroupID == group && !verb.Hidden {
			fmt.Fprintf(b, "  %-12s %s\n", verb.Name(), verb.Short)
		}
	}
}

// ownWords gives the verbs that the library adds words in our style.
func ownWords(root *cobra.Command) {
	root.SetHelpCommandGroupID(groupSee)
	root.SetCompletionCommandGroupID(groupSee)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Short = "show help for a command"
			c.RunE = helpOf
		case "completion":
			c.Short = "print a shell completion script"
			c.Long = "Print a script that completes commands and flags in bash, zsh, fish or powershell."
			c.Example = "  source <(repltool completion bash)"
			for _, shell := range c.Commands() {
				shell.Short = "print the script for " + shell.Name()
			}
		}
	}
}

// helpOf prints the help of the command that args name.
func helpOf(c *cobra.Command, args []string) error {
	found, rest, err := c.Root().Find(args)
	if err != nil {
		return err
	}
	if found == c.Root() && len(rest) > 0 {
		return unknownCommand(c.Root(), rest[0])
	}
	return found.Help()
}

func parentPath(c *cobra.Command) string {
	if c.HasParent() {
		return c.Parent().CommandPath()
	}
	return ""
}

// flagColumn is where the words about a flag begin.
const flagColumn = 27

func flagText(b *strings.Builder, title string, flags *pflag.FlagSet) {
	var lines strings.Builder
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" || f.Name == "version" {
			return
		}
		words := view.Wrap(flagWords(f), helpWidth-flagColumn)
		fmt.Fprintf(&lines, "  %-*s %s\n", flagColumn-3, flagForm(f), strings.Join(words, "\n"+strings.Repeat(" ", flagColumn)))
	})
	if lines.Len() > 0 {
		fmt.Fprintf(b, "\n%s\n%s", title, lines.String())
	}
}

// flagForm is how a flag is written: a switch that is on says how to turn it off.
func flagForm(f *pflag.Flag) string {
	value, _ := pflag.UnquoteUsage(f)
	switch {
	case f.DefValue == "true":
		return "-" + f.Name + "=false"
	case f.NoOptDefVal != "":
		return "-" + f.Name
	default:
		return "-" + f.Name + "=" + value
	}
}

func flagWords(f *pflag.Flag) string {
	_, text := pflag.UnquoteUsage(f)
	switch f.DefValue {
	case "", "false", "true", "[]", "0s":
		return text
	}
	return text + " (" + f.DefValue + ")"
}
