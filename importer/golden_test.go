package importer_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/importer"
	"github.com/repltool/repltool/importer/write"
	"github.com/repltool/repltool/plan/build"
	"github.com/repltool/repltool/topology"
)

var update = flag.Bool("update", false, "write the golden files")

// worlds are facts that internal/e2e recorded from servers.
const worlds = "../plan/build/testdata/worlds"

// TestRecordedWorlds imports what was recorded from servers: testdata/NAME.txtar is what is
// written, and what a plan of that says of the same facts.
func TestRecordedWorlds(t *testing.T) {
	files, err := filepath.Glob(worlds + "/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no worlds: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			seen := seenIn(t, file)
			d, err := importer.Decide(seen, importer.Options{})
			got := ""
			if err != nil {
				got = "-- error --\n" + err.Error() + "\n"
			} else {
				got = result(t, d)
			}
			golden := filepath.Join("testdata", name+".txtar")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Errorf("not as the golden file has it (-want +got):\n%s", d)
			}
		})
	}
}

// seenIn are the servers of a world that could be read, reached as its topology says.
func seenIn(t *testing.T, file string) []importer.Seen {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]string{}
	for _, f := range archive.Files {
		parts[f.Name] = string(f.Data)
	}
	var found facts.Facts
	if err := json.Unmarshal([]byte(parts["facts.json"]), &found); err != nil {
		t.Fatal(err)
	}
	var seen []importer.Seen
	for _, n := range load(t, parts["main.hcl"], topology.Inputs{NoSecrets: true}).Nodes {
		f := found.Nodes[n.Name]
		if f.Server == nil {
			continue
		}
		f.Server.Settings = settings(t, f.Server)
		seen = append(seen, importer.Seen{Host: n.Host, Addresses: []string{n.Address}, Port: n.Port, Facts: f})
	}
	return seen
}

// settings are those of a version, and over them those that were recorded.
func settings(t *testing.T, s *facts.Server) map[string]facts.Setting {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("%s/settings-%d.json", worlds, s.Major()))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]facts.Setting{}
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	maps.Copy(all, s.Settings)
	return all
}

func load(t *testing.T, text string, in topology.Inputs) *topology.Topology {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.hcl"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	top, diags := topology.Load(dir, in)
	if diags.HasErrors() {
		t.Fatalf("%s\n%v", text, diags)
	}
	return top
}

// result is what is written, and what a plan of it says of the facts that it comes from.
func result(t *testing.T, d *importer.Decision) string {
	t.Helper()
	text, err := write.Text(d.Document)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "canary") {
		t.Errorf("a secret is in it:\n%s", text)
	}
	formatted, diags := topology.Format(text, "main.hcl")
	if diags.HasErrors() || string(formatted) != string(text) {
		t.Errorf("it is not formatted: %v", diags)
	}
	in := topology.Inputs{NoSecrets: true}
	for name, secret := range d.Passwords {
		in.Vars = append(in.Vars, topology.Assignment{Var: name + "=" + secret.Reveal()})
	}
	top := load(t, string(text), in)
	found := facts.Facts{Nodes: map[string]*facts.Node{}}
	for name, seen := range d.Nodes {
		f := *seen.Facts
		f.Name = name
		found.Nodes[name] = &f
	}
	p, problems := build.Build(top, found, cluster.Options{RepltoolVersion: "test"})
	var b strings.Builder
	fmt.Fprintf(&b, "-- main.hcl --\n%s-- plan --\n", text)
	for _, x := range problems {
		fmt.Fprintf(&b, "%s: %s\n", x.Summary, x.Detail)
	}
	for _, c := range p.Changes {
		fmt.Fprintf(&b, "%s %s %s\n", c.Action, c.Address, c.Reason)
	}
	for _, m := range p.Adopt {
		fmt.Fprintf(&b, "mark %s on %s\n", m.Address, m.Node)
	}
	for _, x := range p.Drift {
		fmt.Fprintf(&b, "drift %s %s\n", x.Address, x.Detail)
	}
	fmt.Fprintln(&b, strings.Join(append(d.Left, d.Unproven...), "\n"))
	return b.String()
}
