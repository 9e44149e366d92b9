package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

const flagged = `
variable "port" {
  type    = number
  default = 5432
}
node "pg1" {
  host     = "10.0.0.1"
  data_dir = "/data/pg1"
  port     = var.port
}
cluster "main" { primary = node.pg1 }
`

// TestFlags: each flag does what its help says.
func TestFlags(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{"main.hcl": flagged, "other.vars.hcl": "port = 5599\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args  string
		onTTY bool
		code  int
		says  string // on stdout, stderr or the terminal
		never string
		reads int // of the nodes
	}{
		{args: "plan", says: "+port = '5432'", reads: 1},
		{args: "plan -var-file=other.vars.hcl", says: "+port = '5599'", reads: 1},
		{args: "plan -var-file=other.vars.hcl -var=port=5600", says: "+port = '5600'", never: "5599'", reads: 1},
		{args: "plan -var-file=none.hcl", code: 1, says: "Cannot read none.hcl"},
		{args: "plan -json-into=plan.json", says: "Apply it:", never: `"changes"`, reads: 1},
		{args: "status -json-into=status.json", says: "no cluster", never: `"clusters"`, reads: 1},
		{args: "drift -json -json-into=drift.json", code: 2, says: `"findings": []`, never: "To fix:", reads: 1},
		{args: "status -watch", code: 130, says: "1 cluster, 1 node", reads: 3},
		{args: "apply", onTTY: true, code: 1, says: "Type \"yes\" to confirm", reads: 2},
		{args: "apply -input=false", onTTY: true, code: 1, says: "No terminal to ask for approval", never: "Type \"yes\"", reads: 2},
		{args: "plan", onTTY: true, says: "\x1b[", reads: 1},
		{args: "plan -no-color", onTTY: true, says: "Apply it:", never: "\x1b[3", reads: 1},
		{args: "show -format=text", says: "cluster.main"},
		{args: "show -format=json", says: `"role": "primary"`},
		{args: "show -format=markdown", says: "| pg1 | primary |"},
		{args: "show -format=html", code: 1, says: "must be text, json or markdown"},
	} {
		name := c.args
		if c.onTTY {
			name += " on a terminal"
		}
		t.Run(name, func(t *testing.T) {
			r := runFlags(t, c.onTTY, strings.Fields(c.args)...)
			if r.code != c.code || !strings.Contains(r.said, c.says) || c.never != "" && strings.Contains(r.said, c.never) {
				t.Errorf("exit code %d, want %d, with %q and without %q:\n%s", r.code, c.code, c.says, c.never, r.said)
			}
			if r.reads != c.reads {
				t.Errorf("nodes were read %d times, want %d", r.reads, c.reads)
			}
		})
	}
	for _, file := range []string{"plan.json", "status.json", "drift.json"} {
		if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), `"findings": []`) {
			t.Errorf("%s: %v\n%s", file, err, text)
		}
	}
}

type flagsRun struct {
	code, reads int
	said        string
}

// runFlags runs repltool; on a terminal it answers "no" to what is asked.
func runFlags(t *testing.T, onTTY bool, args ...string) flagsRun {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out bytes.Buffer
	given, done := streams{in: strings.NewReader(""), out: &out, err: &out}, func() {}
	if onTTY {
		given, done = onTerminal(t, "no\n", &out)
	}
	a := newApp(given)
	a.environ = func(string) (string, bool) { return "", false }
	s := &watched{stand: stand{found: fresh()}, interrupt: func() { a.signals.take(cancel, io.Discard) }}
	a.connect = func(*topology.Topology, way) clusters { return s }
	code := a.run(ctx, args)
	done()
	return flagsRun{code, s.reads, out.String()}
}

// watched is a stand whose third reading is interrupted.
type watched struct {
	stand
	reads     int
	interrupt func()
}

func (w *watched) Inspect(ctx context.Context, replace []string) facts.Facts {
	if w.reads++; w.reads == 3 {
		w.interrupt()
	}
	return w.stand.Inspect(ctx, replace)
}

// onTerminal returns a pseudo-terminal into which something was typed. What it shows is
// written to out; done waits until all of it is.
func onTerminal(t *testing.T, typed string, out io.Writer) (s streams, done func()) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatalf("no pseudo-terminals: %v", err)
	}
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := person.WriteString(typed); err != nil {
		t.Fatal(err)
	}
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		_, _ = io.Copy(out, person) // ends with an error once the terminal is closed
	}()
	return streams{in: tty, out: tty, err: tty}, func() {
		_ = tty.Close()
		<-shown
		_ = person.Close()
	}
}
