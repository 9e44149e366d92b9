package build

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/plan/build/move"
	"github.com/repltool/repltool/plan/build/streaming"
)

// long are texts that many plans have: a golden case has their names, and
// testdata/long.golden has them in full.
func long() []txtar.File {
	return []txtar.File{
		{Name: "START_CHECK", Data: []byte(draft.StartCheck)},
		{Name: "EDIT_SETTINGS", Data: []byte(streaming.EditSettings)},
		{Name: "NOTE_ABSENT", Data: []byte(draft.NoteAbsent)},
		{Name: "CONF_ERRORS", Data: []byte(draft.ConfErrors)},
		{Name: "HBA_ERRORS", Data: []byte(draft.HBAErrors)},
		{Name: "STOP", Data: []byte(move.StopScript)},
		{Name: "ENDED", Data: []byte(move.EndedScript)},
		{Name: "FENCE", Data: []byte(draft.FenceScript())},
		{Name: "SAME_WAL", Data: []byte(streaming.SameWALScript)},
		{Name: "MOVE_ASIDE", Data: []byte(streaming.MoveAsideScript())},
		{Name: "KEEP_LOST", Data: []byte(streaming.KeepLostScript())},
		{Name: "CATCHING_UP", Data: []byte(draft.CatchingUp)},
	}
}

func abbreviate(text string) string {
	for _, f := range long() {
		text = strings.ReplaceAll(text, string(f.Data), f.Name)
	}
	return text
}

func TestLongTexts(t *testing.T) {
	const file = "testdata/long.golden"
	archive, err := txtar.ParseFile(file)
	if *update {
		archive, err = &txtar.Archive{}, nil
		for _, f := range long() {
			writePart(t, file, archive, f.Name, string(f.Data)+"\n")
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range long() {
		if d := cmp.Diff(string(archive.Files[i].Data), string(f.Data)+"\n"); d != "" {
			t.Errorf("%s is not as %s has it (-want +got):\n%s", f.Name, file, d)
		}
	}
}

// inPlan are the fields that the plan of a golden case shows, or always checks. Every other
// field that is set is in its steps, also one that is added later.
func inPlan() map[string][]string {
	return map[string][]string{
		"Change":  {"Address", "Action", "Impact", "Effect", "Wave", "Reason", "Attributes", "Before", "After", "Steps", "Nodes", "Needs"},
		"Step":    {"ID", "Address", "Node", "Why", "Requires", "Op"},
		"SQL":     {"SQL"},
		"File":    {"Path", "Diff", "Content", "Replaces"},
		"Command": {"Argv"},
		"Wait":    {"What", "Gate"},
	}
}

// stepsText writes what apply uses beyond what the plan of a golden case shows: conditions
// and limits of waits, checks and modes of files, remedies, requirements.
func stepsText(p *plan.Plan) string {
	var b strings.Builder
	steps := map[string]plan.Step{}
	for _, s := range p.Steps {
		steps[s.ID] = s
	}
	for _, c := range p.Changes {
		head, below := fields(c, "  ")
		if needs := c.Allowance(); needs != "" {
			head += " -allow=" + string(needs)
		}
		fmt.Fprintf(&b, "%s%s\n%s", c.Address, head, below)
		if order := list.Without(c.Requires, c.Needs); len(order) > 0 {
			b.WriteString(line("  ", "only order", strings.Join(order, ", ")))
		}
		for i, id := range c.Steps {
			writeStep(&b, "  ", i+1, steps[id])
		}
	}
	return b.String()
}

// writeStep writes one step: where, what kind, why, short fields, and below them long ones.
func writeStep(b *strings.Builder, margin string, number int, s plan.Step) {
	head, below := fields(s.Op, margin+"   ")
	own, more := fields(s, margin+"   ")
	why := ""
	if wait, is := s.Op.(plan.Wait); !is || wait.What != s.Why {
		why = ": " + s.Why
	}
	fmt.Fprintf(b, "%s%d %s %s%s%s%s\n%s%s", margin, number, s.Node, strings.ToLower(reflect.TypeOf(s.Op).Name()), head, own, why, below, more)
	if below := hidden(s.Op, margin+"   "); below != "" {
		b.WriteString(below)
	}
}

// fields returns the fields of a struct that are set and not shown elsewhere: short ones
// for the line of their owner, and the others as lines below that.
func fields(v any, margin string) (short, below string) {
	value := reflect.ValueOf(v)
	for i := range value.NumField() {
		name, field := value.Type().Field(i).Name, value.Field(i)
		if slices.Contains(inPlan()[value.Type().Name()], name) || field.IsZero() || field.Kind() == reflect.Slice && field.Len() == 0 {
			continue
		}
		name = strings.ToLower(name)
		var text string
		switch f := field.Interface().(type) {
		case []plan.Step:
			var b strings.Builder
			for n, s := range f {
				writeStep(&b, margin+"  ", n+1, s)
				fmt.Fprintf(&b, "%s     %s\n", margin, hang(compactOp(s.Op), margin+"     "))
			}
			below += margin + name + ":\n" + b.String()
			continue
		case *plan.Block:
			text = blockText(f)
		case *plan.Progress:
			text = f.Node + ": " + f.Query
		case uint32:
			text = fmt.Sprintf("%04o", f)
		default:
			text = fmt.Sprintf("%+v", reflect.Indirect(field).Interface())
		}
		if text = abbreviate(text); len(text) <= 12 && !strings.Contains(text, " ") {
			short += " " + name + "=" + text
		} else {
			below += line(margin, name, text)
		}
	}
	return short, below
}

func blockText(b *plan.Block) string {
	text := b.Name + ", last"
	if b.First {
		text = b.Name + ", first"
	}
	for _, f := range []struct {
		name string
		list []string
	}{{"earlier", b.Earlier}, {"drop", b.Drop}, {"keep", b.Keep}} {
		if len(f.list) > 0 {
			text += fmt.Sprintf(", %s %q", f.name, f.list)
		}
	}
	return text
}

// hidden returns what of a step's own text its line in the plan does not tell.
func hidden(op plan.Op, margin string) string {
	switch op := op.(type) {
	case plan.SQL:
		return secrets(op.SQL, margin)
	case plan.File:
		out := ""
		if !strings.Contains(after(op.Diff), op.Content.Text) {
			out += line(margin, "content", op.Content.Text)
		}
		if op.Replaces == plan.Absent {
			out += line(margin, "replaces", "nothing")
		} else if op.Replaces == "" {
			out += line(margin, "replaces", "anything")
		}
		return out + secrets(op.Content, margin)
	}
	return ""
}

// after returns the text that a diff leaves, of the lines that it shows.
func after(diff string) string {
	var b strings.Builder
	for line := range strings.Lines(diff) {
		if line[0] != '-' {
			b.WriteString(line[1:])
		}
	}
	return b.String()
}

// secrets returns where the secrets of a text come from, in their order, and how each is written.
func secrets(t plan.Text, margin string) string {
	var all []string
	for _, use := range t.Secrets {
		all = append(all, use.Ref+" as "+string(use.Form))
	}
	if all = slices.Compact(all); len(all) == 0 {
		return ""
	}
	return line(margin, "secrets", strings.Join(all, ", "))
}

func line(margin, name, text string) string {
	return fmt.Sprintf("%s%s: %s\n", margin, name, hang(text, margin+"  "))
}

func hang(text, margin string) string {
	return strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n"+margin)
}

// asShell writes an argument vector as a shell reads it.
func asShell(argv []string) string {
	var out []string
	for _, arg := range argv {
		arg = abbreviate(arg)
		if arg == "" || strings.ContainsAny(arg, " \n'\"$|;") {
			arg = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
		out = append(out, arg)
	}
	return strings.Join(out, " ")
}
