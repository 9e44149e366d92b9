package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/repltool/repltool/internal/view"
	"github.com/repltool/repltool/internal/view/sink"
	"github.com/repltool/repltool/topology"
)

// in runs repltool in an environment.
func in(t *testing.T, s *stand, environment map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	a := newApp(streams{in: strings.NewReader(""), out: &out, err: &err})
	a.environ = func(name string) (string, bool) {
		if name == "REPLTOOL_VAR_password" {
			return canary, true
		}
		value, set := environment[name]
		return value, set
	}
	a.connect = func(*topology.Topology, way) clusters { return s }
	code = a.run(t.Context(), args)
	return code, out.String(), err.String()
}

// contents reads a file.
func contents(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestSinks: one run of drift writes them all, changes neither stdout nor the exit code, and no
// secret is in any.
func TestSinks(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("main.hcl", []byte(oneServer), 0o600); err != nil {
		t.Fatal(err)
	}
	github := map[string]string{"GITHUB_STEP_SUMMARY": filepath.Join(dir, "summary"), "GITHUB_OUTPUT": filepath.Join(dir, "outputs"), "GITHUB_WORKSPACE": filepath.Dir(dir)}
	files := []string{"-prom-file=a.prom", "-junit-file=a.xml", "-junit-file=b.xml", "-gitlab-file=a.json", "-markdown-file=a.md"}
	for _, c := range []struct {
		name  string
		stand stand
		code  int
		has   map[string]string // by file
	}{
		{"drift", stand{found: fresh()}, 2, map[string]string{
			"a.prom": `repltool_drift{cluster="main"} 1`, "a.xml": `<failure type="create"`, "b.xml": `<failure type="create"`, "a.json": `"delete":0`,
			"a.md": "| differs | `cluster.main.role.app`", "summary": "### repltool drift", "outputs": "exit_code=2\n",
		}},
		{"unreachable", stand{found: unreachable()}, 1, map[string]string{
			"a.prom": `repltool_run_exit_code{topology="` + filepath.Base(dir) + `"} 1`, "a.xml": `<error type="node_not_read"`, "a.json": "error", "a.md": "1 of 1 node not read",
			"outputs": "drift=unknown\n",
		}},
	} {
		plainCode, plain, _ := in(t, &c.stand, nil, "drift", "-json")
		code, out, errors := in(t, &c.stand, github, append([]string{"drift", "-json", "-github"}, files...)...)
		if code != c.code || plainCode != code || out != plain {
			t.Errorf("%s: exit code %d and %d, want %d; stdout differs: %v\n%s", c.name, code, plainCode, c.code, out != plain, errors)
		}
		if !json.Valid([]byte(out)) || !strings.Contains(errors, "::error file="+filepath.Base(dir)+"/main.hcl,line=") {
			t.Errorf("%s: the annotations are not on stderr, with the file as the workspace has it:\n%s", c.name, errors)
		}
		for file, want := range c.has {
			got := contents(t, file)
			if !strings.Contains(got, want) || strings.Contains(got, "canary") {
				t.Errorf("%s: %s lacks %s, or has the secret:\n%s", c.name, file, want, got)
			}
		}
		if info, err := os.Stat("a.prom"); err != nil || info.Mode().Perm() != 0o644 {
			t.Errorf("node_exporter cannot read the metrics: %v, %v", info.Mode(), err)
		}
	}
	if left, _ := filepath.Glob(".repltool-*"); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestSinkThatCannotBeWritten: it is said and counts, and the others are written.
func TestSinkThatCannotBeWritten(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("main.hcl", []byte(oneServer), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, err := in(t, &stand{found: fresh()}, nil, "drift", "-junit-file=none/a.xml", "-markdown-file=a.md")
	if code != 2 || !strings.Contains(err, "-junit-file: cannot write none/a.xml: the directory none does not exist") || !strings.Contains(contents(t, "a.md"), "difference") {
		t.Errorf("exit code %d\n%s", code, err)
	}
	a := newApp(streams{in: strings.NewReader(""), out: io.Discard, err: io.Discard})
	whole := sink.Run{Topology: &topology.Topology{}, Plan: view.EmptyPlan("1"), Redact: strings.Clone}
	whole.Plan.Complete = true
	to := &sinks{files: []fileSink{{"junit-file", "none/a.xml", plainly(sink.JUnit)}, {"markdown-file", "a.md", plainly(sink.Outputs)}}}
	if err := a.deliver(t.Context(), to, &common{}, whole, nil); codeOf(err) != 1 || !strings.Contains(contents(t, "a.md"), "drift=false") {
		t.Errorf("of a run in sync: %v", err)
	}
	if err := os.WriteFile("main.hcl", []byte(`node "pg1" {`), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, err = in(t, &stand{found: fresh()}, nil, "drift", "-junit-file=a.xml", "-prom-file=a.prom")
	if code != 1 || !strings.Contains(contents(t, "a.xml"), "<error") || !strings.Contains(contents(t, "a.prom"), "repltool_run_exit_code") {
		t.Errorf("of a topology that does not load: exit code %d\n%s", code, err)
	}
	for _, flags := range [][]string{{"-prom-file=a.txt"}, {"-prom-file=a.prom", "-junit-file=./a.prom"}, {"-junit-file="}} {
		if code, _, err := in(t, &stand{found: fresh()}, nil, append([]string{"drift"}, flags...)...); code != 1 || !strings.Contains(err, "-file") {
			t.Errorf("%v: exit code %d\n%s", flags, code, err)
		}
	}
}
