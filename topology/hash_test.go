package topology

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
		{`[publication.p]`, "[publication.p]\n  copy_data = \"merge\""},
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
