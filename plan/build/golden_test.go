package build

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"golang.org/x/tools/txtar"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

var update = flag.Bool("update", false, "write the golden files again")

// TestGolden runs testdata/*.txtar: a topology, directives that change the world
// that fits it (see alter), and the plan in a compact form. Every case is also
// checked for what is true of every plan.
func TestGolden(t *testing.T) {
	for _, file := range goldenFiles(t) {
		t.Run(caseName(file), func(t *testing.T) { golden(t, file) })
	}
}

func goldenFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	return files
}

func caseName(file string) string { return strings.TrimSuffix(filepath.Base(file), ".txtar") }

func golden(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parts := partsOf(archive)
	top, f, o := goldenWorld(t, parts)
	p, diags := Build(top, f, o)
	for _, d := range diags {
		if plan.CodeOf(d.Summary) == plan.OtherCode {
			t.Errorf("%q has no code", d.Summary)
		}
	}
	coded(t, p)
	always(t, top, f, o, p)
	for _, part := range []struct{ name, got string }{{"plan", compact(p, diags)}, {"steps", stepsText(p)}} {
		if *update {
			writePart(t, file, archive, part.name, part.got)
		} else if d := cmp.Diff(parts[part.name], part.got); d != "" {
			t.Errorf("%s is not as the golden file has it (-want +got):\n%s", part.name, d)
		}
	}
}

// coded checks that whatever is found has a code that is listed, and that it says what was
// read; what plan and apply refuse as well says that in its hint.
func coded(t *testing.T, p *plan.Plan) {
	t.Helper()
	for _, n := range slices.Concat(p.Drift, p.Unmanaged) {
		if plan.Codes()[n.Code] == "" {
			t.Errorf("%+v has no code", n)
		}
	}
	for _, f := range p.Findings {
		refused := f.Message == plan.Codes()[f.Code]
		if plan.Codes()[f.Code] == "" || !refused && (f.Evidence == "" || f.Node == "") {
			t.Errorf("a finding without a code, node or evidence: %+v", f)
		}
		if first := f.Hint[:min(1, len(f.Hint))]; !refused && first != strings.ToUpper(first) {
			t.Errorf("a hint is a sentence: %q", f.Hint)
		}
	}
}

// goldenWorld returns the topology of a case, its world, and what was asked for.
func goldenWorld(t *testing.T, parts map[string]string) (*topology.Topology, facts.Facts, cluster.Options) {
	t.Helper()
	top := loadText(t, parts["main.hcl"])
	f := converged(t, top)
	if live, ok := parts["live.hcl"]; ok { // the world fits another topology
		f = converged(t, loadText(t, live))
		for _, line := range strings.Split(strings.TrimSpace(parts["found"]), "\n") { // a node has another name in the topology
			if was, is, ok := strings.Cut(line, " "); ok {
				f.Nodes[is] = f.Nodes[was]
				f.Nodes[is].Name = is
				delete(f.Nodes, was)
			}
		}
		addEmpty(top, f)
	}
	for _, l := range strings.Split(strings.TrimSpace(parts["world"]), "\n") {
		if l != "" && !strings.HasPrefix(l, "#") {
			alter(t, f, top, l)
		}
	}
	return top, f, cluster.Options{RepltoolVersion: "test", Replace: strings.Fields(parts["replace"]), Targets: strings.Fields(parts["target"]), Failovers: strings.Fields(parts["failover"])}
}

func writePart(t *testing.T, file string, a *txtar.Archive, name, text string) {
	t.Helper()
	found := false
	for i := range a.Files {
		if a.Files[i].Name == name {
			a.Files[i].Data, found = []byte(text), true
		}
	}
	if !found {
		a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(text)})
	}
	if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
		t.Fatal(err)
	}
}

// loadText loads one file of HCL; its secrets come from the environment canaries.
func loadText(t testing.TB, text string) *topology.Topology {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.hcl"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	top, diags := topology.Load(dir, topology.Inputs{Environ: func(name string) (string, bool) {
		return "canary-" + name, true
	}})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return top
}

// moreErrors is a moment later, of workers that fail whenever they start.
func moreErrors(f facts.Facts) {
	for _, n := range f.Nodes {
		if n.Server == nil {
			continue
		}
		for _, l := range n.Server.Logical {
			for i := range l.Subscriptions {
				if s := &l.Subscriptions[i]; s.ApplyErrors+s.SyncErrors > 0 {
					s.ApplyErrors, s.SyncErrors = s.ApplyErrors+1, s.SyncErrors+1
				}
			}
		}
	}
}

// always checks what is true of every plan.
func always(t *testing.T, top *topology.Topology, f facts.Facts, o cluster.Options, p *plan.Plan) {
	t.Helper()
	var first, again bytes.Buffer
	if err := p.Encode(&first); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(first.String(), "canary") {
		t.Error("a secret stands in the plan")
	}
	second, _ := Build(top, f, o)
	if err := second.Encode(&again); err != nil {
		t.Fatal(err)
	}
	if first.String() != again.String() {
		t.Error("the same topology and facts made another plan")
	}
	moreErrors(f)
	if later, _ := Build(top, f, o); later.Fingerprint != p.Fingerprint {
		t.Error("a worker that has failed once more makes another plan: it fails every few seconds, and apply reads twice")
	}
	decoded, err := plan.Decode(bytes.NewReader(first.Bytes()))
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	var round bytes.Buffer
	if err := decoded.Encode(&round); err != nil {
		t.Fatal(err)
	}
	if first.String() != round.String() {
		t.Error("the plan changes when it is encoded and decoded")
	}
	for _, c := range p.Changes {
		for _, a := range c.Attributes {
			if a.Before != nil && a.After != nil && *a.Before == *a.After && *a.Before != topology.Redacted {
				t.Errorf("%s: %s changes from %q to the same value", c.Address, a.Name, *a.Before)
			}
		}
	}
	done := map[string]bool{}
	for _, s := range p.Steps {
		for _, id := range s.Requires {
			if !done[id] {
				t.Errorf("step %s stands before %s, which it requires", s.ID, id)
			}
		}
		done[s.ID] = true
	}
	requirements(t, p)
	digests(t, f, p)
}

// requirements checks that every step waits for the one before it in its change, and the
// first for the last of each change that the change requires.
func requirements(t *testing.T, p *plan.Plan) {
	t.Helper()
	steps, last := map[string]plan.Step{}, map[string]string{}
	for _, s := range p.Steps {
		steps[s.ID], last[s.Address] = s, s.ID
	}
	for _, c := range p.Changes {
		var before []string
		for _, address := range c.Requires {
			if id := last[address]; id != "" {
				before = append(before, id)
			}
		}
		for _, id := range c.Steps {
			if d := cmp.Diff(before, steps[id].Requires); d != "" {
				t.Errorf("step %s requires other steps (-want +got):\n%s", id, d)
			}
			before = []string{id}
		}
	}
}

// digests checks that a file which a step replaces is the one that was found.
func digests(t *testing.T, f facts.Facts, p *plan.Plan) {
	t.Helper()
	for _, s := range p.Steps {
		op, is := s.Op.(plan.File)
		if !is || op.Replaces == "" || op.Replaces == plan.Absent {
			continue
		}
		h := f.Nodes[s.Node].Host
		text, found := map[string]string{h.Conf.Path: h.Conf.Text, h.HBA.Path: h.HBA.Text}[op.Path]
		hash, err := plan.HashRest([]byte(text), *op.Block)
		if !found || err != nil || hash != op.Replaces {
			t.Errorf("step %s replaces a file %s that was not found (%v)", s.ID, op.Path, err)
		}
	}
}

// compact writes a plan in few lines: what a case is about.
func compact(p *plan.Plan, diags hcl.Diagnostics) string {
	var b strings.Builder
	steps := map[string]plan.Step{}
	for _, s := range p.Steps {
		steps[s.ID] = s
	}
	for _, d := range diags {
		at := ""
		if d.Subject != nil {
			at = fmt.Sprintf("%d: ", d.Subject.Start.Line)
		}
		fmt.Fprintf(&b, "%s %s%s: %s\n", map[hcl.DiagnosticSeverity]string{hcl.DiagError: "error", hcl.DiagWarning: "warning"}[d.Severity], at, d.Summary, d.Detail)
	}
	for _, c := range p.Changes {
		fmt.Fprintf(&b, "%d %s %s %s", c.Wave, c.Action.Symbol(), c.Address, c.Impact)
		for _, word := range []string{c.Effect, c.Reason} {
			if word != "" {
				fmt.Fprintf(&b, " (%s)", word)
			}
		}
		b.WriteString("\n")
		for _, a := range c.Attributes {
			fmt.Fprintf(&b, "    %s: %s -> %s %s\n", a.Name, text(a.Before), text(a.After), a.Note)
		}
		for _, id := range c.Steps {
			fmt.Fprintf(&b, "  %s: %s\n", steps[id].Node, indent(compactOp(steps[id].Op)))
		}
	}
	for _, n := range p.Drift {
		fmt.Fprintf(&b, "drift %s %s %s: %s\n", n.Node, n.Code, n.Address, n.Detail)
	}
	for _, n := range p.Unmanaged {
		fmt.Fprintf(&b, "unmanaged %s %s %s: %s\n", n.Node, n.Code, n.Address, n.Detail)
	}
	for _, h := range p.Findings {
		fmt.Fprintf(&b, "health %s %s %s: %s\n", h.Severity, h.Code, h.Address, h.Message)
	}
	if !p.Complete {
		b.WriteString("incomplete\n")
	}
	for _, m := range p.Adopt {
		fmt.Fprintf(&b, "mark %s on %s\n", m.Address, m.Node)
	}
	fmt.Fprintf(&b, "%d unchanged\n", p.Summary.Unchanged)
	return b.String()
}

func text(s *string) string {
	if s == nil {
		return "none"
	}
	return *s
}

func compactOp(op plan.Op) string {
	switch op := op.(type) {
	case plan.SQL:
		return op.SQL.Text
	case plan.File:
		return op.Path + "\n" + strings.TrimSuffix(op.Diff, "\n")
	case plan.Command:
		return asShell(op.Argv)
	case plan.Wait:
		kind := "wait: "
		if op.Gate {
			kind = "gate: "
		}
		return kind + op.What
	}
	return ""
}

func indent(s string) string { return strings.ReplaceAll(s, "\n", "\n      ") }
