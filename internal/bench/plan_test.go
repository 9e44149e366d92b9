package bench

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/plan/build"
	"github.com/repltool/repltool/providers"
	"github.com/repltool/repltool/providers/host"
	"github.com/repltool/repltool/providers/host/ssh"
	"github.com/repltool/repltool/topology"
)

// planRounds is how often a plan is made for a median.
const planRounds = 7

// benchPlan is a plan of n converged hosts, twice. The program is measured against
// ssh and psql: a login and two queries on each host. What it does inside is
// measured against bare logins by the same library, each running true.
func benchPlan(b *testing.B, w *world, t *table, n int, where string) {
	dir := w.topology(b, "16MB", clusters(n)...)
	names := w.names(clusters(n))
	ours, bare := alternate(planRounds,
		func() time.Duration { return w.run(b, dir, w.binary, "plan", "-detailed-exitcode") }, // fails unless it is empty
		func() time.Duration { return w.run(b, dir, "bash", append([]string{w.plan}, names...)...) })
	t.compare(fmt.Sprintf("no-op plan, %d hosts%s; ssh, psql and 2 queries", n, where), ours, bare, 1.6)
	top := read(b, dir)
	ours, bare = alternate(planRounds,
		func() time.Duration { return w.noop(b, dir) },
		func() time.Duration { return w.logins(b, top) })
	t.compare(fmt.Sprintf("no-op plan, %d hosts%s; bare logins", n, where), ours, bare, 1.6)
}

func read(b *testing.B, dir string) *topology.Topology {
	b.Helper()
	top, diags := topology.Load(dir, topology.Inputs{Environ: func(string) (string, bool) { return "bench", true }})
	if diags.HasErrors() {
		b.Fatal(diags)
	}
	return top
}

func (w *world) dialer() providers.Dialer {
	return func(ctx context.Context, n *topology.Node) (host.Conn, error) {
		return ssh.Dial(ctx, n, ssh.Options{ConfigFile: w.SSHConfig})
	}
}

// logins logs in to every node, side by side, and runs true there.
func (w *world) logins(b *testing.B, top *topology.Topology) time.Duration {
	b.Helper()
	begin := time.Now()
	var all sync.WaitGroup
	for _, n := range top.Nodes {
		all.Go(func() {
			conn, err := w.dialer()(b.Context(), n)
			if err != nil {
				b.Error(err)
				return
			}
			if _, err := conn.Run(b.Context(), host.Command{Argv: []string{"true"}}); err != nil {
				b.Error(err)
			}
			_ = conn.Close() // nothing was written
		})
	}
	all.Wait()
	return time.Since(begin)
}

// noop makes an empty plan in this process.
func (w *world) noop(b *testing.B, dir string) time.Duration {
	b.Helper()
	begin := time.Now()
	top := read(b, dir)
	fleet := providers.Open(top, w.dialer())
	p, diags := build.Build(top, fleet.Inspect(b.Context(), providers.InspectOptions{}), cluster.Options{})
	if err := fleet.Close(); err != nil {
		b.Error(err)
	}
	took := time.Since(begin)
	if diags.HasErrors() || !p.Complete || len(p.Changes) > 0 {
		b.Fatalf("the plan is not empty: %v, %d changes", diags, len(p.Changes))
	}
	return took
}

// benchMemory is the peak memory of a plan, against as many ssh clients.
func benchMemory(b *testing.B, w *world, t *table) {
	client := w.peak(b, b.TempDir(), "ssh", "-n", "-F", w.SSHConfig, w.Hosts[0].Name, "sleep 0.2")
	for _, n := range []int{3, 30} {
		ours := w.peak(b, w.topology(b, "16MB", clusters(n)...), w.binary, "plan")
		t.add(fmt.Sprintf("memory of a plan, %d hosts; as many ssh clients", n), megabytes(ours), megabytes(n*client), float64(ours)/float64(n*client), 0)
	}
}

func megabytes(kilobytes int) string { return fmt.Sprintf("%.1f MB", float64(kilobytes)/1024) }

// peak is the most memory that a program had, in kB, as last seen before its end.
// (What wait4 says is no less than what this process has: exec hands it on.)
func (w *world) peak(b *testing.B, dir, program string, args ...string) int {
	b.Helper()
	c := w.command(b, dir, program, args...)
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	most := 0
	for {
		select {
		case err := <-ended:
			if err != nil || most == 0 {
				b.Fatalf("%s %v: %v, %d kB", program, args, err, most)
			}
			return most
		case <-time.After(time.Millisecond):
			most = max(most, highWater(c.Process.Pid))
		}
	}
}

// highWater reads VmHWM; 0 for a process that is gone.
func highWater(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	words := strings.Fields(rest)
	if len(words) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(words[0])
	return n
}
