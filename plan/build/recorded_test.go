package build

import (
	"encoding/json"
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
)

// TestRecordedWorlds plans testdata/worlds/*.txtar: facts that internal/e2e recorded from
// servers (`make worlds`). Nothing in them is computed by what is tested here.
// plan is of the topology that was applied; change.plan is of change.hcl on the same facts.
func TestRecordedWorlds(t *testing.T) {
	for _, file := range recordedWorlds(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			parts := partsOf(archive)
			for _, c := range []struct{ topology, prefix string }{{"main.hcl", ""}, {"change.hcl", "change."}} {
				top, f := loadText(t, parts[c.topology]), recordedFacts(t, parts["facts.json"])
				o := cluster.Options{RepltoolVersion: "test"}
				p, diags := Build(top, f, o)
				always(t, top, f, o, p)
				for name, got := range map[string]string{"plan": compact(p, diags), "steps": stepsText(p)} {
					name = c.prefix + name
					if *update {
						writePart(t, file, archive, name, got)
					} else if d := cmp.Diff(parts[name], got); d != "" {
						t.Errorf("%s is not as the golden file has it (-want +got):\n%s", name, d)
					}
				}
			}
		})
	}
}

func recordedWorlds(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/worlds/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no worlds: %v", err)
	}
	return files
}

func partsOf(a *txtar.Archive) map[string]string {
	parts := map[string]string{}
	for _, f := range a.Files {
		parts[f.Name] = string(f.Data)
	}
	return parts
}

// recordedFacts reads facts, and the settings of their version that they do not repeat.
func recordedFacts(t testing.TB, text string) facts.Facts {
	t.Helper()
	var f facts.Facts
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		t.Fatal(err)
	}
	for _, n := range f.Nodes {
		if n.Server == nil {
			continue
		}
		data, err := os.ReadFile(fmt.Sprintf("testdata/worlds/settings-%d.json", n.Server.Major()))
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]facts.Setting{}
		if err := json.Unmarshal(data, &all); err != nil {
			t.Fatal(err)
		}
		maps.Copy(all, n.Server.Settings)
		n.Server.Settings = all
	}
	return f
}
