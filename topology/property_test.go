package topology

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/rogpeppe/go-internal/txtar"
)

// TestVariablesComeBack: what a topology records is enough to load it again.
func TestVariablesComeBack(t *testing.T) {
	text := []byte(`
variable "text" {}
variable "list" { type = list(string) }
variable "object" { type = any }
node "a" {
  host     = "h"
  location = jsonencode([var.text, var.list, var.object])
}
cluster "c" { primary = node.a }`)
	dir := writeFiles(t, map[string][]byte{"main.hcl": text})
	first, diags := Load(dir, Inputs{Vars: []Assignment{
		{Var: `text=a "quoted" ${"$"}{x} %{ y } \ = value`}, {Var: `list=["a", "$${b}"]`}, {Var: `object={ a = [1, null, true] }`},
	}})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	second, diags := Load(dir, Inputs{Variables: first.Variables})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if diff := cmp.Diff(first.canonical(), second.canonical()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(first.Variables, second.Variables); diff != "" {
		t.Error(diff)
	}
}

func TestManyNodes(t *testing.T) {
	text := []byte(`
locals { sites = { for i in range(1000) : "n${i}" => "dc${i % 3}" } }
node "pg" {
  for_each   = local.sites
  host       = "${each.key}.example.net"
  location   = each.value
  parameters = { work_mem = "64MB", max_connections = 100 }
}
cluster "c" {
  primary  = node.pg["n0"]
  standbys = [for k, n in node.pg : n if k != "n0"]
  role "r" {
    replication = true
    password    = env("PW")
  }
}`)
	top, diags := loadText(t, map[string][]byte{"main.hcl": text}, map[string]string{"PW": "x"})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if len(top.Nodes) != 1000 || len(top.Clusters[0].Standbys) != 999 {
		t.Errorf("%d nodes, %d standbys", len(top.Nodes), len(top.Clusters[0].Standbys))
	}
}

func TestLoadNoDirectory(t *testing.T) {
	top, diags := Load(filepath.Join(t.TempDir(), "nothing"), Inputs{})
	if top == nil || len(diags) != 1 || diags[0].Summary != "Unreadable topology directory" {
		t.Errorf("%v %v", top, diags)
	}
}

func TestFormat(t *testing.T) {
	for _, path := range caseFiles(t) {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			if strings.HasSuffix(f.Name, ".hcl") {
				checkFormat(t, f.Data, path+" "+f.Name)
			}
		}
	}
}

func TestFormatText(t *testing.T) {
	got, diags := Format([]byte("node \"a\" {\nhost=\"h\"\n  address   = \"x\"\n}\n"), "main.hcl")
	want := "node \"a\" {\n  host    = \"h\"\n  address = \"x\"\n}\n"
	if diags.HasErrors() || string(got) != want {
		t.Errorf("%v\n%s", diags, got)
	}
	if got, diags = Format([]byte(`{ "node":   {}}`), "main.hcl.json"); diags.HasErrors() || string(got) != `{ "node":   {}}` {
		t.Errorf("JSON is not left alone: %v %s", diags, got)
	}
}

func TestFormatShowsNoSecret(t *testing.T) {
	for name, text := range map[string]string{
		"a.hcl":      "role \"x\" {\n  password = \"canary\" oops\n}\n",
		"b.hcl":      "role \"x\" {\n  password = canary canary\n}\n",
		"c.hcl":      "variable \"x\" {\n  sensitive = true\n  default = \"canary\" }}\n}\n",
		"d.hcl.json": "{\"password\": \"canary\" \"x\"}",
		"e.hcl.json": "{\"password\": canary}",
		"f.hcl":      "x = { \"password\": \"canary\", y }\n",
		"g.hcl":      "password = <<EOT\ncanary\nEOT\n}\n",
		"h.hcl":      "my_password = trimspace(\"canary\") )\n",
		"i.hcl":      "password = [\"canary\", upper(\"canary\")] ]\n",
	} {
		_, diags := Format([]byte(text), name)
		if !diags.HasErrors() {
			t.Errorf("%s: no error", name)
		}
		var out bytes.Buffer
		files := map[string]*hcl.File{name: Source([]byte(text), name)}
		if err := hcl.NewDiagnosticTextWriter(&out, files, 0, false).WriteDiagnostics(diags); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), canary) {
			t.Errorf("%s: a secret shows:\n%s", name, out.String())
		}
	}
}

func checkFormat(t *testing.T, src []byte, name string) {
	t.Helper()
	once, diags := Format(src, "main.hcl")
	if diags.HasErrors() {
		return
	}
	twice, diags := Format(once, "main.hcl")
	if diags.HasErrors() {
		t.Errorf("%s: what Format wrote does not parse: %v", name, diags)
	}
	if !bytes.Equal(once, twice) {
		t.Errorf("%s: formatting again changes the text:\n%s", name, cmp.Diff(string(once), string(twice)))
	}
}

func loadText(t testing.TB, files map[string][]byte, environment map[string]string) (*Topology, hcl.Diagnostics) {
	t.Helper()
	return Load(writeFiles(t, files), Inputs{Environ: func(name string) (string, bool) {
		text, ok := environment[name]
		return text, ok
	}})
}

func writeFiles(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func FuzzLoad(f *testing.F) {
	for _, path := range fuzzCases(f) {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(file(archive, "main.hcl")), []byte(file(archive, "main.hcl.json")), []byte(file(archive, "repltool.vars.hcl")))
	}
	f.Fuzz(func(t *testing.T, native, json, values []byte) {
		files := map[string][]byte{"main.hcl": native, "main.hcl.json": json, "repltool.vars.hcl": values}
		top, diags := loadText(t, files, map[string]string{"PW": canary})
		_ = top.Hash()
		_ = render(top, diags)
	})
}

func FuzzFormat(f *testing.F) {
	for _, path := range fuzzCases(f) {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(file(archive, "main.hcl")))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		checkFormat(t, src, "fuzz")
		_ = Source(src, "main.hcl.json")
	})
}

func fuzzCases(f *testing.F) []string {
	f.Helper()
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	return slices.Clip(paths)
}
