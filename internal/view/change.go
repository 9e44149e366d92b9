package view

import (
	"fmt"
	"strings"

	"charm.land/lipgloss/v2"

	"github.com/repltool/repltool/plan"
)

// entryIndent is that of what stands below an entry's address.
const entryIndent = "      "

// entry writes the line of a change. An effect for which the terminal has no room there
// stands below it.
func (v *planView) entry(c plan.Change) {
	address, impact, effect := Clean(c.Address), Clean(impactText(c)), ""
	plain := "  " + c.Action.Symbol() + " " + address
	if v.Width > 0 && lipgloss.Width(plain+"  "+impact) > v.Width {
		impact, effect = string(c.Impact), strings.TrimPrefix(impact, string(c.Impact)+", ")
	}
	v.right("  "+v.symbol(c.Action)+" "+v.bold(address), plain, v.impact(c.Impact, impact), impact)
	if effect != "" && effect != impact {
		v.flow(entryIndent, v.impact(c.Impact, effect))
	}
}

// change writes one entry of a wave.
func (v *planView) change(c plan.Change, wave []plan.Change) {
	v.entry(c)
	if c.Reason != "" {
		v.flow(entryIndent, v.dim(Clean(c.Reason)))
	}
	// What is made is told by its steps; of what is changed they hide the old value.
	if c.Action == plan.Update {
		v.attributes(c.Attributes)
	}
	if v.opts.Detail == Brief {
		return
	}
	on := ""
	if len(homes(wave)) < 2 {
		on = home(c)
	}
	var steps []plan.Step
	for _, id := range c.Steps[len(v.leadingGates(c)):] {
		steps = append(steps, v.steps[id])
	}
	on = v.stepsOf(steps, on)
	if len(c.Undo) > 0 {
		v.flow(entryIndent, v.dim("if a step fails before \""+Clean(v.steps[c.NoReturn].Why)+"\", these steps take back what was begun:"))
		v.stepsOf(c.Undo, on)
	}
}

// Differences are the attributes that a change is about, and why it is one, as a plan shows them;
// "" for a change of which Gist has said all.
func Differences(c plan.Change) string {
	var b strings.Builder
	v := newPlanView(&b, Style{}, &plan.Plan{}, PlanOptions{Detail: Brief})
	if len(c.Attributes) == 0 || len(c.Attributes) == 1 && c.Reason == "" && c.Attributes[0].Note == "" {
		return ""
	}
	if c.Reason != "" {
		v.line(Clean(c.Reason))
	}
	v.attributes(c.Attributes)
	return strings.TrimPrefix(strings.ReplaceAll(b.String(), "\n"+entryIndent, "\n"), entryIndent)
}

// stepsOf writes steps, with the node where that is another one than the last, and returns
// the last.
func (v *planView) stepsOf(steps []plan.Step, on string) string {
	for _, step := range steps {
		if _, isWait := step.Op.(plan.Wait); !isWait && step.Node != on {
			on = step.Node
			v.line(entryIndent, v.dim("on "+Clean(on)+":"))
		}
		v.step(step, on)
	}
	return on
}

// impactText is the impact and a few words more. What a restart brings stands in
// the rule of its wave; that a copy copies need not be said twice.
func impactText(c plan.Change) string {
	if c.Effect == "" || c.Impact == plan.Restart {
		return string(c.Impact)
	}
	if c.Impact == plan.CopyData {
		return string(c.Impact) + ", " + strings.TrimPrefix(c.Effect, "copies ")
	}
	return string(c.Impact) + ", " + c.Effect
}

func (v *planView) symbol(a plan.Action) string {
	switch a {
	case plan.Create:
		return v.green("+")
	case plan.Delete:
		return v.red("-")
	case plan.Replace:
		return v.red("-") + "/" + v.green("+")
	default:
		return v.yellow("~")
	}
}

func (v *planView) impact(i plan.Impact, text string) string {
	switch i {
	case plan.Online:
		return v.green(text)
	case plan.Reload:
		return v.cyan(text)
	case plan.CopyData:
		return v.yellow(text)
	default:
		return v.bold(v.red(text))
	}
}

// attributes writes what differs: "~ wal_level  replica -> logical  needs a restart".
func (v *planView) attributes(attributes []plan.Attribute) {
	name, value := 0, 0
	for _, a := range attributes {
		name, value = max(name, lipgloss.Width(Clean(a.Name))), max(value, lipgloss.Width(values(a)))
	}
	value = min(value, v.width()-name-24) // a long value moves only its own note
	for rest := attributes; len(rest) > 0; {
		n := v.alikeAttributes(rest)
		shown := n
		if n > mostAlike {
			shown = firstAlike
		}
		for _, a := range rest[:shown] {
			v.attribute(a, name, value)
		}
		if shown < n {
			v.more(entryIndent, n-shown, rest[shown].Name, rest[n-1].Name)
		}
		rest = rest[n:]
	}
}

// attribute writes one of them, its name and values as wide as those of the others.
func (v *planView) attribute(a plan.Attribute, name, value int) {
	label, text := Clean(a.Name), values(a)
	line := pad(label, name) + "  " + text
	noted := pad(label, name) + "  " + pad(text, value) + "  " + Clean(a.Note)
	switch {
	case a.Note == "":
		v.line(entryIndent, v.attributeSymbol(a), " ", line)
	case v.Width > 0 && len(entryIndent)+2+lipgloss.Width(noted) > v.Width:
		v.line(entryIndent, v.attributeSymbol(a), " ", line)
		v.flow(entryIndent+"    ", v.dim(Clean(a.Note)))
	default:
		v.line(entryIndent, v.attributeSymbol(a), " ", pad(label, name), "  ", pad(text, value), "  ", v.dim(Clean(a.Note)))
	}
}

func (v *planView) attributeSymbol(a plan.Attribute) string {
	switch {
	case a.Before == nil:
		return v.green("+")
	case a.After == nil:
		return v.red("-")
	default:
		return v.yellow("~")
	}
}

func values(a plan.Attribute) string { return value(a.Before) + " -> " + value(a.After) }

func value(text *string) string {
	switch {
	case text == nil:
		return "(none)"
	case *text != strings.TrimSpace(*text) || *text == "": // what would not be seen
		return "'" + strings.ReplaceAll(Clean(*text), "\n", `\n`) + "'"
	default:
		return strings.ReplaceAll(Clean(*text), "\n", `\n`)
	}
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(width-lipgloss.Width(text), 0))
}

// step writes what a step does, in full.
func (v *planView) step(s plan.Step, on string) {
	const indent = entryIndent
	switch op := s.Op.(type) {
	case plan.SQL:
		v.sql(indent, op)
	case plan.File:
		v.file(indent, op)
	case plan.Command:
		v.command(indent, op)
	case plan.Wait:
		v.wait(indent, op, s.Node, on)
	}
}

// sql writes statements as they are; those that keep the ledger are dimmed.
func (v *planView) sql(indent string, op plan.SQL) {
	if op.Database != "" && op.Database != "postgres" {
		v.line(indent, v.dim("-- in database "+Clean(op.Database)))
	}
	ledger := false
	lines, rest := v.shorten(strings.Split(strings.TrimRight(Clean(op.SQL.Text), "\n"), "\n"))
	for _, line := range lines {
		ledger = ledger || strings.HasPrefix(line, "INSERT INTO repltool.") || strings.HasPrefix(line, "DELETE FROM repltool.")
		if ledger {
			v.line(indent, v.dim(line))
		} else {
			v.line(indent, line)
		}
		ledger = ledger && !strings.HasSuffix(line, ";")
	}
	if rest != "" {
		v.line(indent, v.dim(rest))
	}
}

func (v *planView) file(indent string, op plan.File) {
	path := Clean(op.Path)
	if op.Mode != 0 && (op.Block == nil || op.Mode == 0o600) {
		path += v.dim(fmt.Sprintf("  (mode %04o)", op.Mode))
	}
	if op.Diff == "" {
		path += v.dim("  (no lines change)")
	}
	v.line(indent, path)
	for line := range strings.Lines(Clean(op.Diff)) {
		v.line(strings.TrimRight(indent+v.diffLine(strings.TrimSuffix(line, "\n")), " "))
	}
	if v.opts.Detail == Verbose && op.Check != "" {
		v.line(indent, v.dim("checked with a query that must return no rows; otherwise the previous file is restored:"))
		v.block(indent+"  ", v.dim(Clean(op.Check)))
	}
}

func (v *planView) diffLine(line string) string {
	switch {
	case strings.HasPrefix(line, "+"):
		return v.green(line)
	case strings.HasPrefix(line, "-"):
		return v.red(line)
	case strings.HasPrefix(line, "@@"):
		return v.cyan(line)
	default:
		return line
	}
}

func (v *planView) command(indent string, op plan.Command) {
	prompt := "$ "
	if op.Root {
		prompt = "# " // as root
	}
	argv := make([]string, len(op.Argv))
	for i, arg := range op.Argv {
		argv[i] = Clean(arg)
		if first, rest, script := strings.Cut(argv[i], "\n"); script && v.opts.Detail != Verbose {
			argv[i] = fmt.Sprintf("%s … (%d more lines, shown with -verbose)", first, strings.Count(strings.TrimSpace(rest), "\n")+1)
		}
	}
	v.block(indent, prompt+shellLine(argv, v.width()-len(indent)-len(prompt)))
}

func (v *planView) wait(indent string, op plan.Wait, node, on string) {
	asked := ""
	if node != on {
		asked = ", queried on " + node
	}
	if op.Gate {
		v.flow(indent, v.cyan(Clean("Gate · "+op.What+asked+atMost(op)+elseStop(op))))
	} else {
		v.flow(indent, v.dim(Clean("wait until "+op.What+asked+atMost(op))))
	}
	if v.opts.Detail == Verbose {
		v.block(indent+"  ", v.dim(Clean(op.Query)))
		if p := op.Progress; p != nil {
			v.line(indent, v.dim(Clean("progress, queried on "+p.Node+":")))
			v.block(indent+"  ", v.dim(Clean(p.Query)))
		}
	}
}
