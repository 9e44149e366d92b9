package templates

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/repltool/repltool/topology"
)

func values() map[string]string {
	return map[string]string{"Cluster": "main", "Dir": `/tmp/a (b) %{d} &c`}
}

// TestStartersAreTopologies loads what init writes, and formats it: it must be
// right and laid out as fmt would.
func TestStartersAreTopologies(t *testing.T) {
	for _, name := range []string{Starter, Local} {
		t.Run(name, func(t *testing.T) {
			text, err := Render(name, values())
			if err != nil {
				t.Fatal(err)
			}
			if formatted, diags := topology.Format(text, "main.hcl"); diags.HasErrors() || !bytes.Equal(formatted, text) {
				t.Errorf("not as fmt has it: %v\n%s", diags, formatted)
			}
			top := load(t, text)
			if len(top.Nodes) != 3 || len(top.Clusters) != 1 || len(top.Clusters[0].Standbys) != 2 {
				t.Errorf("got %d nodes, %d clusters", len(top.Nodes), len(top.Clusters))
			}
		})
	}
}

func TestLocalKeepsItsDirectory(t *testing.T) {
	text, err := Render(Local, values())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := load(t, text).Node("pg1").DataDir, values()["Dir"]+"/pg1/data"; got != want {
		t.Errorf("data_dir is %q, want %q", got, want)
	}
}

func load(t *testing.T, text []byte) *topology.Topology {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.hcl"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	top, diags := topology.Load(dir, topology.Inputs{Environ: func(name string) (string, bool) {
		return "secret-word", name == "REPLTOOL_VAR_replicator_password"
	}})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	return top
}

func TestMissingKeyIsAnError(t *testing.T) {
	if text, err := Render(Local, map[string]string{"Cluster": "main"}); err == nil {
		t.Errorf("a missing key went through:\n%s", text)
	}
	if _, err := Render("none.tmpl", nil); err == nil {
		t.Error("a missing template went through")
	}
}
