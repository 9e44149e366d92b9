package topology

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/rogpeppe/go-internal/txtar"
)

// A case is one archive under testdata: the files of a directory, optionally
// one called inputs (lines of env, var, var-file and saved), and one called
// want: the diagnostics, by position and summary, and without errors the
// topology. Every secret in a case has the word canary in it, and nothing that
// is shown may hold that word.

var update = flag.Bool("update", false, "write the golden cases anew")

const canary = "canary"

func TestGolden(t *testing.T) {
	for _, path := range caseFiles(t) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			dir, in := unpack(t, archive)
			top, diags := Load(dir, in)
			checkNoLeak(t, top, diags)
			got := describe(dir, top, diags)
			if *update {
				setFile(archive, "want", got)
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(file(archive, "want"), got); diff != "" {
				t.Errorf("unexpected result (-want +got; -update writes it):\n%s\n%s", diff, render(top, diags))
			}
		})
	}
}

// TestCasesComeInPairs keeps a good and a bad case for every kind.
func TestCasesComeInPairs(t *testing.T) {
	found := map[string]bool{}
	for _, path := range caseFiles(t) {
		kind, rest, _ := strings.Cut(strings.TrimSuffix(filepath.Base(path), ".txtar"), "_")
		found[kind+" "+map[bool]string{true: "bad", false: "good"}[strings.HasPrefix(rest, "bad")]] = true
	}
	for _, kind := range []string{
		"variable", "local", "defaults", "node", "cluster", "standby", "parameter", "replication", "synchronous",
		"basebackup", "initdb", "hba", "role", "database", "slot", "publication", "subscription", "thresholds", "lifecycle", "dynamic",
		"function", "reference", "json", "secret",
	} {
		for _, which := range []string{"good", "bad"} {
			if !found[kind+" "+which] {
				t.Errorf("no %s case for %s", which, kind)
			}
		}
	}
}

func caseFiles(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal("no cases: ", err)
	}
	return paths
}

// unpack writes the archive's files and returns the inputs that it asks for.
func unpack(t *testing.T, archive *txtar.Archive) (string, Inputs) {
	t.Helper()
	dir := t.TempDir()
	environment := map[string]string{}
	in := Inputs{Variables: map[string]string{}, Environ: func(name string) (string, bool) {
		text, ok := environment[name]
		return text, ok
	}}
	for _, f := range archive.Files {
		switch f.Name {
		case "want":
		case "inputs":
			for _, line := range strings.Split(strings.TrimSpace(string(f.Data)), "\n") {
				what, text, _ := strings.Cut(line, " ")
				name, value, _ := strings.Cut(text, "=")
				switch what {
				case "env":
					environment[name] = value
				case "saved":
					in.Variables[name] = value
				case "var":
					in.Vars = append(in.Vars, Assignment{Var: text})
				case "var-file":
					in.Vars = append(in.Vars, Assignment{File: filepath.Join(dir, text)})
				default:
					t.Fatalf("inputs: %q", line)
				}
			}
		default:
			path := filepath.Join(dir, f.Name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, f.Data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir, in
}

func describe(dir string, top *Topology, diags hcl.Diagnostics) string {
	var out strings.Builder
	for _, d := range diags {
		severity := map[hcl.DiagnosticSeverity]string{hcl.DiagError: "error", hcl.DiagWarning: "warning"}[d.Severity]
		place := "-"
		if d.Subject != nil {
			place = strings.TrimPrefix(strings.TrimPrefix(d.Subject.String(), dir), "/")
		}
		fmt.Fprintf(&out, "%s %s %s\n", place, severity, d.Summary)
	}
	if diags.HasErrors() {
		return out.String()
	}
	for _, line := range top.canonical() {
		if !isDefault(line) {
			fmt.Fprintln(&out, line)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(top.Variables)) {
		fmt.Fprintf(&out, "variable %s = %s\n", name, top.Variables[name])
	}
	for _, ref := range slices.Sorted(maps.Keys(top.Secrets)) {
		fmt.Fprintf(&out, "secret %s\n", ref)
	}
	return out.String()
}

// isDefault leaves out what a case would repeat for every object.
func isDefault(line string) bool {
	for _, end := range []string{
		".ID = ", ".Port = 5432", `.Access = "ssh"`, `.OSUser = "postgres"`, ".Slots = true", ".Login = true",
		".Inherit = true", ".ConnectionLimit = -1", `.Replication.SSLMode = "prefer"`,
		`.Replication.Method = "scram-sha-256"`, `.BaseBackup.Checkpoint = "fast"`, ".BaseBackup.Verify = true",
		`.InitDB.Locale = "C.UTF-8"`, `.InitDB.Encoding = "UTF8"`, ".InitDB.DataChecksums = true",
		`.InitDB.Auth = "scram-sha-256"`, " = set",
		`.CopySchema = "none"`, `.OnDestroy = "drop"`, ".CopyData = true", ".CreateSlot = true", ".Options.Enabled = true",
	} {
		if strings.HasSuffix(line, end) || end == ".ID = " && strings.Contains(line, end) {
			return true
		}
	}
	return false
}

func render(top *Topology, diags hcl.Diagnostics) string {
	var out bytes.Buffer
	if err := hcl.NewDiagnosticTextWriter(&out, top.Files, 0, false).WriteDiagnostics(diags); err != nil {
		return err.Error()
	}
	return out.String()
}

// checkNoLeak looks at everything that a sink may print.
func checkNoLeak(t *testing.T, top *Topology, diags hcl.Diagnostics) {
	t.Helper()
	texts := map[string]string{
		"diagnostics": render(top, diags),
		"dump":        strings.Join(top.canonical(), "\n"),
		"fields":      fmt.Sprintf("%+v %#v %+v", top.Nodes, top.Secrets, top.Subscriptions),
	}
	for _, d := range diags {
		texts["details"] += d.Summary + d.Detail + fmt.Sprint(d.Extra)
	}
	for name, f := range top.Files {
		texts["source "+name] = string(f.Bytes)
	}
	for name, text := range top.Variables {
		texts["variable "+name] = text
	}
	for what, text := range texts {
		if strings.Contains(strings.ToLower(text), canary) {
			t.Errorf("a secret shows in %s:\n%s", what, text)
		}
	}
}

func file(archive *txtar.Archive, name string) string {
	for _, f := range archive.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

func setFile(archive *txtar.Archive, name, text string) {
	for i := range archive.Files {
		if archive.Files[i].Name == name {
			archive.Files[i].Data = []byte(text)
			return
		}
	}
	archive.Files = append(archive.Files, txtar.File{Name: name, Data: []byte(text)})
}
