// Package bench measures repltool against the bare commands, in one run and on
// the same hosts, so that a figure is a ratio and says something on any machine.
package bench

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/repltool/repltool/internal/lab"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/providers"
	"github.com/repltool/repltool/providers/host"
	"github.com/repltool/repltool/providers/host/ssh"
	"github.com/repltool/repltool/topology"
)

// bare does from nothing what an apply does, by ssh and in the same order and
// parallelism.
//
//go:embed bare.sh
var bare string

const rounds = 5

// hosts boots a lab with a topology of all its hosts, as repltool's user writes it.
func hosts(b *testing.B, n int) (*lab.Lab, string) {
	b.Helper()
	l, err := lab.Up(b.Context(), lab.Options{Hosts: n})
	if err != nil {
		b.Fatalf("lab: %v", err)
	}
	b.Cleanup(func() {
		if err := l.Down(context.WithoutCancel(b.Context())); err != nil {
			b.Errorf("lab down: %v", err)
		}
	})
	dir := b.TempDir()
	var text strings.Builder
	var standbys []string
	for i, h := range l.Hosts {
		fmt.Fprintf(&text, "node \"pg%d\" {\n  host = %q\n  address = %q\n}\n", i+1, h.Name, h.Addr)
		if i > 0 {
			standbys = append(standbys, fmt.Sprintf("node.pg%d", i+1))
		}
	}
	fmt.Fprintf(&text, `cluster "main" {
  primary    = node.pg1
  standbys   = [%s]
  parameters = { shared_buffers = "16MB" }
  synchronous {}
  role "replicator" {
    replication = true
    password    = env("BENCH_PASSWORD")
  }
}
`, strings.Join(standbys, ", "))
	if err := os.WriteFile(filepath.Join(dir, "main.hcl"), []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	return l, dir
}

func load(b *testing.B, dir string) *topology.Topology {
	b.Helper()
	top, diags := topology.Load(dir, topology.Inputs{Environ: func(string) (string, bool) { return "bench", true }})
	if diags.HasErrors() {
		b.Fatal(diags)
	}
	return top
}

// build builds the program.
func build(b *testing.B) string {
	b.Helper()
	binary := filepath.Join(b.TempDir(), "repltool")
	if out, err := exec.Command("go", "build", "-o", binary, "../../cmd/repltool").CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}

func run(b *testing.B, l *lab.Lab, dir, program string, args ...string) time.Duration {
	b.Helper()
	c := exec.CommandContext(b.Context(), program, args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "REPLTOOL_SSH_CONFIG="+l.SSHConfig, "BENCH_PASSWORD=bench", "SSH_CONFIG="+l.SSHConfig)
	begin := time.Now()
	out, err := c.CombinedOutput()
	if err != nil {
		b.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
	return time.Since(begin)
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// report prints two medians and their ratio.
func report(b *testing.B, what string, ours, theirs []time.Duration, aim float64) {
	b.Helper()
	x, y := median(ours), median(theirs)
	b.ReportMetric(float64(x)/float64(y), "ratio")
	b.ReportMetric(0, "ns/op")
	fmt.Printf("%-28s %8s  bare %8s  ratio %.2f (aim: at most %.2f)\n", what, x.Round(time.Millisecond), y.Round(time.Millisecond), float64(x)/float64(y), aim)
}

// BenchmarkNoopPlan is a plan of three converged hosts against the same three
// connections, each running a bare true, side by side.
func BenchmarkNoopPlan(b *testing.B) {
	l, dir := hosts(b, 3)
	run(b, l, dir, build(b), "apply", "-auto-approve")
	var ours, theirs []time.Duration
	for range rounds {
		theirs = append(theirs, connections(b, l, load(b, dir)))
		ours = append(ours, noop(b, l, dir))
	}
	report(b, "no-op plan, 3 hosts", ours, theirs, 2)
}

func dialer(l *lab.Lab) providers.Dialer {
	return func(ctx context.Context, n *topology.Node) (host.Conn, error) {
		return ssh.Dial(ctx, n, ssh.Options{ConfigFile: l.SSHConfig})
	}
}

func connections(b *testing.B, l *lab.Lab, top *topology.Topology) time.Duration {
	b.Helper()
	begin := time.Now()
	var all sync.WaitGroup
	for _, n := range top.Nodes {
		all.Go(func() {
			conn, err := dialer(l)(b.Context(), n)
			if err != nil {
				b.Error(err)
				return
			}
			if _, err := conn.Run(b.Context(), host.Command{Argv: []string{"true"}}); err != nil {
				b.Error(err)
			}
			_ = conn.Close()
		})
	}
	all.Wait()
	return time.Since(begin)
}

func noop(b *testing.B, l *lab.Lab, dir string) time.Duration {
	b.Helper()
	begin := time.Now()
	top := load(b, dir)
	fleet := providers.Open(top, dialer(l))
	p, diags := plan.Build(top, fleet.Inspect(b.Context(), providers.InspectOptions{}), plan.Options{})
	if err := fleet.Close(); err != nil {
		b.Error(err)
	}
	took := time.Since(begin)
	if diags.HasErrors() || !p.Complete || len(p.Changes) > 0 {
		b.Fatalf("the plan is not empty: %v, %d changes", diags, len(p.Changes))
	}
	return took
}

// BenchmarkApplyFromNothing is an apply on three empty hosts against a shell script
// of the same commands.
func BenchmarkApplyFromNothing(b *testing.B) {
	l, dir := hosts(b, 3)
	binary := build(b)
	script := filepath.Join(b.TempDir(), "bare.sh")
	if err := os.WriteFile(script, []byte(bare), 0o700); err != nil {
		b.Fatal(err)
	}
	var ours, theirs []time.Duration
	args := []string{script}
	for _, h := range l.Hosts {
		args = append(args, h.Addr)
	}
	for range 3 {
		theirs = append(theirs, run(b, l, dir, "bash", args...))
		empty(b, l)
		ours = append(ours, run(b, l, dir, binary, "apply", "-auto-approve"))
		empty(b, l)
	}
	report(b, "apply from nothing, 3 hosts", ours, theirs, 1.15)
}

// empty takes every cluster away again.
func empty(b *testing.B, l *lab.Lab) {
	b.Helper()
	for i := len(l.Hosts) - 1; i >= 0; i-- {
		if _, err := l.Hosts[i].Exec(b.Context(), "sh", "-c", "pg_dropcluster --stop 15 main; rm -rf /var/lib/postgresql/.repltool /var/lib/postgresql/.pgpass"); err != nil {
			b.Fatalf("%s: %v", l.Hosts[i].Name, err)
		}
	}
}
