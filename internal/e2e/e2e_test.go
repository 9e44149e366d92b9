// Package e2e runs the built program against real hosts: sshd, sudo, PostgreSQL.
//
// Rules: every test asks the servers themselves, ends with an empty plan where it
// ends well, and greps every sink for its canary secrets. It needs root, for the
// lab's namespaces.
package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/repltool/repltool/internal/lab"
)

// canary is the password of these tests' replication role.
const canary = "canary-7f3a'9c\\e:1"

// binary is the program under test, built once by TestMain.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "repltool-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "repltool")
		build := exec.Command("go", "build", "-o", binary, "../../cmd/repltool")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// world is a lab with a topology directory.
type world struct {
	t   *testing.T
	lab *lab.Lab
	dir string // of the topology
	env []string
	// sinks is all that the program wrote, for the grep of secrets.
	sinks bytes.Buffer
	// subscribes adds a subscription to what ports writes.
	subscribes bool
}

// newWorld boots hosts for one test. Worlds are networks of their own: tests run side
// by side, since most of what they do is to wait.
func newWorld(t *testing.T, o lab.Options) *world {
	t.Helper()
	t.Parallel()
	l, err := lab.Up(t.Context(), o)
	if err != nil {
		t.Fatalf("lab: %v", err)
	}
	t.Cleanup(func() {
		if err := l.Down(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("lab down: %v", err)
		}
	})
	return &world{t: t, lab: l, dir: t.TempDir(), env: append(os.Environ(),
		"REPLTOOL_SSH_CONFIG="+l.SSHConfig, "REPLTOOL_VAR_password="+canary, "NO_COLOR=1")}
}

// write writes a file of the topology.
func (w *world) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// read reads a file of the topology.
func (w *world) read(name string) string {
	w.t.Helper()
	data, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(data)
}

// topology writes one cluster over all hosts: the first is the primary. extra
// goes into the cluster block.
func (w *world) topology(extra string) {
	w.t.Helper()
	var names, standbys []string
	for i := range w.lab.Hosts {
		names = append(names, fmt.Sprintf("pg%d", i+1))
		standbys = append(standbys, "node."+names[i])
	}
	var b strings.Builder
	b.WriteString(w.nodes(names...))
	fmt.Fprintf(&b, "cluster \"main\" {\n  primary = node.pg1\n  standbys = [%s]\n%s\n", strings.Join(standbys[1:], ", "), extra)
	b.WriteString("  role \"replicator\" {\n    replication = true\n    password = var.password\n  }\n}\n")
	w.write("main.hcl", b.String())
}

// nodes declares the variable password, and the hosts as nodes of these names.
func (w *world) nodes(names ...string) string {
	var b strings.Builder
	b.WriteString("variable \"password\" {\n  type = string\n  sensitive = true\n}\n")
	for i, name := range names {
		fmt.Fprintf(&b, "node %q {\n  host = %q\n  address = %q\n}\n", name, w.lab.Hosts[i].Name, w.lab.Hosts[i].Addr)
	}
	return b.String()
}

const synchronous = "  parameters = { work_mem = \"8MB\", shared_buffers = \"16MB\" }\n  synchronous { number = 1 }\n"

// result is what one run of the program left.
type result struct {
	code           int
	stdout, stderr string
	took           time.Duration
}

// run runs the program in the topology's directory.
func (w *world) run(args ...string) result {
	w.t.Helper()
	return w.runWith(w.env, args...)
}

func (w *world) runWith(env []string, args ...string) result {
	w.t.Helper()
	var stdout, stderr bytes.Buffer
	c := w.program(args...)
	c.Env, c.Stdout, c.Stderr = env, &stdout, &stderr
	begin := time.Now()
	err := c.Run()
	r := result{stdout: stdout.String(), stderr: stderr.String(), took: time.Since(begin)}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		r.code = exit.ExitCode()
	case err != nil:
		w.t.Fatalf("repltool %v: %v", args, err)
	}
	w.sinks.WriteString(r.stdout + r.stderr)
	return r
}

// must runs the program and expects that exit code.
func (w *world) must(code int, args ...string) result {
	w.t.Helper()
	r := w.run(args...)
	if r.code != code {
		w.t.Fatalf("repltool %s: exit code %d, want %d\n%s\n%s\n%s", strings.Join(args, " "), r.code, code, r.stdout, r.stderr, w.logs())
	}
	return r
}

// logs are how the logs of all servers end, for a failure.
func (w *world) logs() string {
	var all strings.Builder
	for _, h := range w.lab.Hosts {
		out, err := h.Exec(w.t.Context(), "sh", "-c", "tail -qn 20 /var/log/postgresql/*.log")
		fmt.Fprintf(&all, "the logs of %s end with\n%s", h.Name, out)
		if err != nil {
			fmt.Fprintln(&all, err)
		}
	}
	return all.String()
}

// settled expects that nothing is left to do, for plan and drift alike.
func (w *world) settled() {
	w.t.Helper()
	if r := w.must(0, "plan", "-detailed-exitcode"); !strings.Contains(r.stdout, "No changes.") {
		w.t.Fatalf("plan is not empty:\n%s\n%s", r.stdout, r.stderr)
	}
	w.must(0, "drift")
}

// says expects words in what a run told.
func (w *world) says(r result, words ...string) {
	w.t.Helper()
	for _, word := range words {
		if !strings.Contains(r.stdout+r.stderr, word) {
			w.t.Errorf("the output lacks %q:\n%s\n%s", word, r.stdout, r.stderr)
		}
	}
}

// eventually runs a command until it says that.
func (w *world) eventually(word string, args ...string) {
	w.t.Helper()
	var r result
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if r = w.run(args...); strings.Contains(r.stdout+r.stderr, word) {
			return
		}
	}
	w.says(r, word)
}

// host returns pg1's host for 1.
func (w *world) host(i int) *lab.Host { return w.lab.Hosts[i-1] }

// exec runs a command in a host as root.
func (w *world) exec(i int, argv ...string) string {
	w.t.Helper()
	out, err := w.host(i).Exec(w.t.Context(), argv...)
	if err != nil {
		w.t.Fatalf("pg%d: %v: %v", i, argv, err)
	}
	return out
}

// noSecrets greps what the program wrote, every server's log, and every file of
// the hosts and of the topology's directory that others may read.
func (w *world) noSecrets() {
	w.t.Helper()
	for _, text := range []string{canary, newCanary} {
		if out := w.sinks.String(); strings.Contains(out, text) || strings.Contains(out, strings.ReplaceAll(text, "'", "''")) {
			w.t.Errorf("the password stands in the program's output")
		}
	}
	part := canary[:strings.IndexByte(canary, '\'')] // however the rest may be escaped
	// As a regular expression in which it does not stand itself: other tests look for it
	// in the arguments of processes.
	pattern := part[:len(part)-1] + "[" + part[len(part)-1:] + "]"
	for i := range w.lab.Hosts {
		out, err := w.host(i+1).Exec(w.t.Context(), "sh", "-c",
			`grep -rl -- "$0" /var/log /etc /tmp /run 2>/dev/null; find / -xdev -type f -perm -o=r -size -200k -newer /etc/hostname -exec grep -l -- "$0" {} + 2>/dev/null; true`, pattern)
		if err != nil {
			w.t.Fatalf("grep: %v", err)
		}
		if out = strings.TrimSpace(out); out != "" {
			w.t.Errorf("pg%d: the password stands in %s", i+1, out)
		}
	}
	files, _ := filepath.Glob(filepath.Join(w.dir, "*"))
	for _, f := range files {
		if data, err := os.ReadFile(f); err == nil && bytes.Contains(data, []byte(part)) {
			w.t.Errorf("the password stands in %s", f)
		}
	}
}
