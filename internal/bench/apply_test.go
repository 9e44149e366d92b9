package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// benchApply is an apply on four empty hosts, a primary with two synchronous standbys and
// a subscriber, against the fastest shell script that leads there.
func benchApply(b *testing.B, w *world, t *table) {
	dir := w.topology(b, "16MB", []int{1, 2, 3}, []int{4})
	w.replicate(b, dir)
	args := []string{w.apply}
	for _, h := range w.Hosts[:4] {
		args = append(args, h.Addr)
	}
	ours, bare := alternate(3,
		func() time.Duration { defer w.empty(b, 4); return w.run(b, dir, w.binary, "apply", "-auto-approve") },
		func() time.Duration { defer w.empty(b, 4); return w.run(b, dir, "bash", args...) })
	t.compare("apply from nothing to in sync, 4 hosts; the fastest shell script", ours, bare, 1.15)
}

// replicate adds a database that the cluster of pg1 publishes and that of pg4 subscribes to.
func (w *world) replicate(b *testing.B, dir string) {
	b.Helper()
	file := filepath.Join(dir, "main.hcl")
	text, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	one := strings.Replace(string(text), `shared_buffers = "16MB" }`, `shared_buffers = "16MB", wal_level = "logical" }`+"\n  database \"shop\" {}", 1)
	one = strings.Replace(one, "cluster \"c4\" {", "cluster \"c4\" {\n  database \"dw\" {}", 1)
	one += "publication \"shop\" {\n  cluster = cluster.c1\n  database = \"shop\"\n  all_tables = true\n}\n" +
		"subscription \"shop\" {\n  cluster = cluster.c4\n  database = \"dw\"\n  publications = [publication.shop]\n}\n"
	if err := os.WriteFile(file, []byte(one), 0o600); err != nil {
		b.Fatal(err)
	}
}

// empty takes the clusters of the first n hosts away again.
func (w *world) empty(b *testing.B, n int) {
	b.Helper()
	for i := n - 1; i >= 0; i-- {
		if _, err := w.Hosts[i].Exec(b.Context(), "sh", "-c", "pg_dropcluster --stop 15 main; rm -rf /var/lib/postgresql/.repltool /var/lib/postgresql/.pgpass"); err != nil {
			b.Fatalf("%s: %v", w.Hosts[i].Name, err)
		}
	}
}

// benchRestart is how long a primary takes no writes: while an apply restarts it
// for a parameter, and while a bare command does.
func benchRestart(b *testing.B, w *world, t *table) {
	primary := w.Hosts[pair()[0]-1]
	w.writable(b)
	size := 16
	ours, bare := alternate(3,
		func() time.Duration {
			size = 33 - size // 17, 16, …
			dir := w.topology(b, fmt.Sprintf("%dMB", size), pair())
			return w.gap(b, primary.Addr, func() { w.run(b, dir, w.binary, "apply", "-auto-approve", "-allow=restart") })
		},
		func() time.Duration {
			return w.gap(b, primary.Addr, func() {
				w.run(b, ".", "ssh", "-n", "-F", w.SSHConfig, primary.Name, "cd / && sudo -n -u postgres pg_ctlcluster --skip-systemctl-redirect 15 main restart")
			})
		})
	w.run(b, w.topology(b, "16MB", pair()), w.binary, "apply", "-auto-approve", "-allow=restart")
	t.compare("a primary without writes, restart by apply; pg_ctlcluster restart", ours, bare, 1.15)
}

// writable makes the table of gap's client on the primary of the pair.
func (w *world) writable(b *testing.B) {
	b.Helper()
	if _, err := w.Hosts[pair()[0]-1].SQL(b.Context(), "CREATE TABLE IF NOT EXISTS written (at timestamptz DEFAULT now()); GRANT INSERT ON written TO writer"); err != nil {
		b.Fatal(err)
	}
}

// gap is the longest time between two writes of a client that connects for each, of several
// addresses with commas between them to the one that takes writes,
// while do does its work and for a second after it.
func (w *world) gap(b *testing.B, addr string, do func()) time.Duration {
	b.Helper()
	ctx, stop := context.WithCancel(b.Context())
	longest := make(chan time.Duration, 1)
	begun := make(chan struct{})
	go func() {
		var most time.Duration
		var last time.Time
		for ctx.Err() == nil {
			if write(ctx, addr) == nil {
				now := time.Now()
				if last.IsZero() {
					close(begun)
				} else {
					most = max(most, now.Sub(last))
				}
				last = now
			}
			time.Sleep(2 * time.Millisecond)
		}
		longest <- most
	}()
	select {
	case <-begun:
	case <-time.After(10 * time.Second):
		b.Error("no write succeeds")
	}
	do()
	time.Sleep(time.Second)
	stop()
	return <-longest
}

func write(ctx context.Context, addr string) error {
	text := "host=" + addr + " port=5432 user=writer password=bench dbname=postgres sslmode=disable connect_timeout=2"
	if strings.Contains(addr, ",") {
		text += " target_session_attrs=read-write"
	}
	conn, err := pgconn.Connect(ctx, text)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "INSERT INTO written DEFAULT VALUES").ReadAll()
	_ = conn.Close(ctx) // what counts was written
	return err
}
