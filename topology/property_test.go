package topology

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/rogpeppe/go-internal/txtar"
)

// TestHashIsStable loads each good case again: laid out badly, laid out well,
// and cut into one file a block in the opposite order.
func TestHashIsStable(t *testing.T) {
	for _, path := range caseFiles(t) {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		dir, in := unpack(t, archive)
		top, diags := Load(dir, in)
		if diags.HasErrors() {
			continue
		}
		for name, change := range map[string]func([]byte) map[string][]byte{
			"spread": spread, "formatted": formatted, "cut": cut,
		} {
			if other := rewritten(t, archive, change); other.Hash() != top.Hash() {
				t.Errorf("%s: the hash changes when the text is %s:\n%s", path, name,
					cmp.Diff(top.canonical(), other.canonical()))
			}
		}
	}
}

func TestHashSeesMeaning(t *testing.T) {
	base := `
node "a" { host = "h1" }
node "b" { host = "h2" }
cluster "c" {
  primary  = node.a
  standbys = [node.b]
  role "r" {
    replication = true
    password    = env("PW")
  }
}`
	hash := func(text, password string) string {
		top, diags := loadText(t, map[string][]byte{"main.hcl": []byte(text)}, map[string]string{"PW": password})
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		return top.Hash()
	}
	if hash(base, "one") != hash(base, "two") {
		t.Error("the hash depends on a secret's text")
	}
	for _, change := range [][2]string{
		{`"h2"`, `"h3"`},
		{`primary  = node.a`, "primary = node.a\n  slots = false"},
		{`replication = true`, "replication = true\n    inherit = false"},
		{`replication = true`, "replication = true\n    member_of = []"},
		{`standbys = [node.b]`, "standby {\n    node = node.b\n    apply_delay = \"1s\"\n  }"},
		{`role "r" {`, "synchronous {}\n  role \"r\" {"},
	} {
		if changed := strings.Replace(base, change[0], change[1], 1); hash(changed, "one") == hash(base, "one") {
			t.Errorf("the hash does not see %q", change[1])
		}
	}
}

// TestHashSeesLogicalReplication: each attribute counts, and what it refers to
// is written as its address.
func TestHashSeesLogicalReplication(t *testing.T) {
	base := `
node "a" { host = "h1" }
node "b" { host = "h2" }
cluster "a" {
  primary = node.a
  role "r" {
    replication = true
    password    = env("PW")
  }
  role "other" {
    superuser = true
    password  = env("PW")
  }
}
cluster "b" { primary = node.b }
publication "p" {
  cluster  = cluster.a
  database = "d"
  tables   = ["t"]
}
publication "q" {
  cluster  = cluster.a
  database = "d"
  tables   = ["q"]
}
subscription "s" {
  cluster      = cluster.b
  database     = "d"
  publications = [publication.p]
}
subscription "outside" {
  cluster           = cluster.b
  database          = "o"
  publication_names = ["x"]
  connection {
    host     = "h"
    database = "d"
  }
}`
	hash := func(text string) string {
		top, diags := loadText(t, map[string][]byte{"main.hcl": []byte(text)}, map[string]string{"PW": "one"})
		if diags.HasErrors() {
			t.Fatal(render(top, diags))
		}
		for _, line := range top.canonical() {
			if strings.HasPrefix(line, "subscription.") && strings.Count(line, "Cluster.") > 0 {
				t.Errorf("more than an address: %s", line)
			}
		}
		return top.Hash()
	}
	seen := map[string]string{hash(base): "nothing"}
	for _, change := range [][2]string{
		{`["t"]`, `["t", "u"]`},
		{`["t"]`, `["s.t"]`},
		{`tables   = ["t"]`, `all_tables = true`},
		{`tables   = ["t"]`, `schemas = ["t"]`},
		{`tables   = ["t"]`, "table \"t\" { where = \"a\" }"},
		{`tables   = ["t"]`, "table \"t\" { columns = [\"a\"] }"},
		{`["t"]`, "[\"t\"]\n  publish = [\"insert\"]"},
		{`["t"]`, "[\"t\"]\n  via_partition_root = true"},
		{`["t"]`, "[\"t\"]\n  owner = \"o\""},
		{`["t"]`, "[\"t\"]\n  name = \"n\""},
		{`[publication.p]`, `[publication.q]`},
		{`[publication.p]`, "[publication.p]\n  role = \"other\""},
		{`[publication.p]`, "[publication.p]\n  enabled = false"},
		{`[publication.p]`, "[publication.p]\n  copy_data = false"},
		{`[publication.p]`, "[publication.p]\n  create_slot = false"},
		{`[publication.p]`, "[publication.p]\n  slot_name = \"x\""},
		{`[publication.p]`, "[publication.p]\n  binary = false"},
		{`[publication.p]`, "[publication.p]\n  streaming = \"off\""},
		{`[publication.p]`, "[publication.p]\n  two_phase = true"},
		{`[publication.p]`, "[publication.p]\n  disable_on_error = true"},
		{`[publication.p]`, "[publication.p]\n  origin = \"none\""},
		{`[publication.p]`, "[publication.p]\n  password_required = false"},
		{`[publication.p]`, "[publication.p]\n  run_as_owner = true"},
		{`[publication.p]`, "[publication.p]\n  failover = true"},
		{`[publication.p]`, "[publication.p]\n  synchronous_commit = \"off\""},
		{`[publication.p]`, "[publication.p]\n  copy_schema = \"missing\""},
		{`[publication.p]`, "[publication.p]\n  on_destroy = \"retain\""},
		{`["x"]`, `["y"]`},
		{`"h"`, `"i"`},
		{`"h"`, "\"h\"\n    password = env(\"PW\")"},
		{`"h"`, "\"h\"\n    connect_timeout = \"3s\""},
	} {
		if !strings.Contains(base, change[0]) {
			t.Fatalf("%s is not in the text", change[0])
		}
		changed := hash(strings.Replace(base, change[0], change[1], 1))
		if other, twice := seen[changed]; twice {
			t.Errorf("the hash does not tell %q from %q", change[1], other)
		}
		seen[changed] = change[1]
	}
}

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
	if top == nil || len(diags) != 1 || diags[0].Summary != "Cannot read the topology directory" {
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

// rewritten loads the case with its native files changed.
func rewritten(t *testing.T, archive *txtar.Archive, change func([]byte) map[string][]byte) *Topology {
	t.Helper()
	dir, in := unpack(t, archive)
	for _, f := range archive.Files {
		if !strings.HasSuffix(f.Name, ".hcl") || isValuesFile(f.Name) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, f.Name)); err != nil {
			t.Fatal(err)
		}
		for name, text := range change(f.Data) {
			if err := os.WriteFile(filepath.Join(dir, name+f.Name), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	top, diags := Load(dir, in)
	if diags.HasErrors() {
		t.Fatal(render(top, diags))
	}
	return top
}

func spread(src []byte) map[string][]byte {
	text := "# a comment\n\n" + strings.ReplaceAll(string(src), "\n", "  \n") + "\n\n"
	return map[string][]byte{"": []byte(text)}
}

func formatted(src []byte) map[string][]byte {
	out, _ := Format(src, "main.hcl")
	return map[string][]byte{"": out}
}

// cut puts each block at the left margin into a file of its own, so that the
// last one is read first.
func cut(src []byte) map[string][]byte {
	files := map[string][]byte{}
	var block []string
	number := 999
	for _, line := range strings.Split(string(src), "\n") {
		block = append(block, line)
		if line == "}" || !strings.HasPrefix(line, " ") && strings.HasSuffix(line, "}") {
			files[fmt.Sprint(number)] = []byte(strings.Join(block, "\n"))
			block = nil
			number--
		}
	}
	files["000"] = []byte(strings.Join(block, "\n"))
	return files
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
