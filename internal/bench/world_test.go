package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/repltool/repltool/internal/lab"
)

// hosts is how many the lab has: nine clusters of three, one of two and one alone.
const hosts = 30

// world is the lab and what is run in it.
type world struct {
	*lab.Lab
	binary            string
	apply, plan, move string // the bare scripts
}

func boot(b *testing.B) *world {
	b.Helper()
	l, err := lab.Up(b.Context(), lab.Options{Hosts: hosts})
	if err != nil {
		b.Fatalf("lab: %v", err)
	}
	b.Cleanup(func() {
		if err := l.Down(context.WithoutCancel(b.Context())); err != nil {
			b.Errorf("lab down: %v", err)
		}
	})
	w := &world{Lab: l, binary: program(b)}
	for name, script := range map[string]struct {
		text string
		file *string
	}{"apply": {applyScript, &w.apply}, "plan": {planScript, &w.plan}, "move": {moveScript, &w.move}} {
		*script.file = filepath.Join(b.TempDir(), name+".sh")
		if err := os.WriteFile(*script.file, []byte(script.text), 0o700); err != nil {
			b.Fatal(err)
		}
	}
	return w
}

// clusters are the hosts of each cluster that n hosts make: threes, and the rest
// from the end of the lab.
func clusters(n int) [][]int {
	var all [][]int
	for first := 1; first+2 <= min(n, 27); first += 3 {
		all = append(all, []int{first, first + 1, first + 2})
	}
	switch rest := n - 3*len(all); rest {
	case 1:
		all = append(all, []int{30})
	case 3:
		all = append(all, pair(), []int{30})
	}
	return all
}

// pair is the cluster that is restarted: no commit of it waits for its standby.
func pair() []int { return []int{28, 29} }

// topology writes clusters as a user does, and returns the directory.
func (w *world) topology(b *testing.B, buffers string, clusters ...[]int) string {
	b.Helper()
	var text strings.Builder
	for _, members := range clusters {
		var standbys []string
		for i, n := range members {
			fmt.Fprintf(&text, "node \"pg%d\" {\n  host = %q\n  address = %q\n}\n", n, w.Hosts[n-1].Name, w.Hosts[n-1].Addr)
			if i > 0 {
				standbys = append(standbys, fmt.Sprintf("node.pg%d", n))
			}
		}
		fmt.Fprintf(&text, "cluster \"c%d\" {\n  primary = node.pg%d\n  standbys = [%s]\n  parameters = { shared_buffers = %q }\n",
			members[0], members[0], strings.Join(standbys, ", "), buffers)
		text.WriteString(extra(len(members)) + "}\n")
	}
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.hcl"), []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	return dir
}

// extra is what a cluster of that many members has besides.
func extra(members int) string {
	const replicator = "  role \"replicator\" {\n    replication = true\n    password = env(\"BENCH_PASSWORD\")\n  }\n"
	switch members {
	case 1:
		return ""
	case 2:
		return replicator + "  role \"writer\" {\n    login = true\n    password = env(\"BENCH_PASSWORD\")\n  }\n" +
			"  hba {\n    type = \"host\"\n    database = \"postgres\"\n    user = \"writer\"\n    address = \"samenet\"\n    method = \"scram-sha-256\"\n  }\n"
	}
	return replicator + "  synchronous {}\n"
}

// converge makes all the clusters.
func (w *world) converge(b *testing.B) {
	b.Helper()
	w.run(b, w.topology(b, "16MB", clusters(hosts)...), w.binary, "apply", "-auto-approve")
}

// run runs a program in a directory, to its end.
func (w *world) run(b *testing.B, dir, program string, args ...string) time.Duration {
	b.Helper()
	c := w.command(b, dir, program, args...)
	begin := time.Now()
	out, err := c.CombinedOutput()
	if err != nil {
		b.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
	return time.Since(begin)
}

func (w *world) command(b *testing.B, dir, program string, args ...string) *exec.Cmd {
	c := exec.CommandContext(b.Context(), program, args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "REPLTOOL_SSH_CONFIG="+w.SSHConfig, "BENCH_PASSWORD=bench", "SSH_CONFIG="+w.SSHConfig)
	return c
}

// names are those that the ssh configuration has for the hosts of clusters.
func (w *world) names(clusters [][]int) []string {
	var all []string
	for _, members := range clusters {
		for _, n := range members {
			all = append(all, w.Hosts[n-1].Name)
		}
	}
	return all
}

// delay makes the way to the hosts of n longer, until the benchmark ends.
func (w *world) delay(b *testing.B, n int, d time.Duration) {
	b.Helper()
	for _, members := range clusters(n) {
		for _, i := range members {
			h := w.Hosts[i-1]
			if err := h.Delay(b.Context(), d); err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() {
				if err := h.Delay(context.WithoutCancel(b.Context()), 0); err != nil {
					b.Error(err)
				}
			})
		}
	}
}
