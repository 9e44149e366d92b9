package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/repltool/repltool/internal/lab"
)

// Faults at exact steps, over plans that hold all kinds. An apply's own events are the
// gate: a fault strikes when the step begins, after `stride` steps were done in that run.
// Then the next apply goes on, and is struck again, until one ends by itself. Each stage
// ends in sync, with no acknowledged row lost and nothing left over.
//
// `make faults` strikes with every fault at every step (stride 1 and 0) and prints the table
// of docs/reliability.md; `make test` kills at every few steps of the same plans.

// fault is what strikes. cure ends it, once the apply has ended or after a while.
type fault struct {
	name   string
	kills  bool // repltool itself
	during time.Duration
	strike func(w *world, host int) error
	cure   func(w *world, host int) error
}

func killed() fault { return fault{name: "kill -9 of repltool", kills: true} }

func faults() []fault {
	return []fault{
		killed(),
		{name: "SSH sessions cut", strike: func(w *world, host int) error {
			_, err := w.host(host).Exec(w.t.Context(), "sh", "-c", "kill -9 $(pgrep -f '^sshd: admin')")
			return err
		}},
		{name: "packets dropped for 20 s", during: 20 * time.Second, strike: func(w *world, host int) error {
			return w.host(host).DropAll(w.t.Context())
		}, cure: func(w *world, host int) error { return w.host(host).Heal(w.t.Context()) }},
		{name: "host frozen for 20 s", during: 20 * time.Second, strike: func(w *world, host int) error {
			return w.host(host).Freeze(w.t.Context())
		}, cure: func(w *world, host int) error { return w.host(host).Thaw(w.t.Context()) }},
		{name: "host crash and boot", strike: func(w *world, host int) error {
			return w.host(host).Crash(w.t.Context())
		}, cure: func(w *world, host int) error { return w.host(host).Boot(w.t.Context()) }},
		{name: "disk full", strike: func(w *world, host int) error {
			return w.host(host).Fill(w.t.Context(), 0)
		}, cure: func(w *world, host int) error { return w.host(host).Unfill(w.t.Context()) }},
	}
}

// TestKilled kills applies amid all kinds of plans.
func TestKilled(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 3})
	w.walk(killed(), 6)
	w.noSecrets()
}

// TestFaults is every fault at every step: REPLTOOL_TEST_FAULTS=all, or a part of a name.
func TestFaults(t *testing.T) {
	which := os.Getenv("REPLTOOL_TEST_FAULTS")
	if which == "" {
		t.Skip("REPLTOOL_TEST_FAULTS is not set: make faults")
	}
	for _, f := range faults() {
		if which != "all" && !strings.Contains(f.name, which) {
			continue
		}
		for _, stride := range []int{1, 0} {
			t.Run(fmt.Sprintf("%s, stride %d", f.name, stride), func(t *testing.T) {
				w := newWorld(t, lab.Options{Hosts: 3, DiskMB: 700})
				w.walk(f, stride)
				w.noSecrets()
			})
		}
	}
}

// walk goes through the stages.
func (w *world) walk(f fault, stride int) {
	w.t.Helper()
	w.t.Log("| plan | fault | applies struck | acknowledged rows | lost | longest pause |")
	base := `
  parameters = { shared_buffers = "16MB", wal_level = "logical", listen_addresses = "*" }
  synchronous { number = 1 }
  database "shop" {}
`
	w.stage("from nothing", f, stride, base, "", "")
	w.in(1, "shop", "CREATE TABLE orders (id bigint PRIMARY KEY); INSERT INTO orders SELECT generate_series(1, 20000)")
	w.sql(1, "CREATE TABLE rows (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz DEFAULT clock_timestamp())")
	changed := strings.Replace(base, `"16MB"`, `"17MB", max_connections = 120`, 1) +
		"  role \"app\" { password = var.password }\n  hba {\n    type = \"host\"\n    database = \"shop\"\n    user = \"app\"\n    address = \"10.77.0.0/16\"\n    method = \"scram-sha-256\"\n  }\n"
	w.stage("change of everything", f, stride, changed, "", "")
	w.exec(2, "touch", "/var/lib/postgresql/15/main/before")
	w.stage("-replace of the synchronous standby", f, stride, changed, "", "cluster.main.standby.pg2")
	logical := `
publication "orders" {
  cluster  = cluster.main
  database = "shop"
  tables   = ["public.orders"]
}
subscription "orders" {
  cluster      = cluster.dw
  database     = "dw"
  publications = [publication.orders]
  copy_schema  = "missing"
}
`
	w.stage("subscription with copy_schema", f, stride, changed, logical, "")
	w.expectIn(3, "dw", "SELECT count(*) FROM orders", "20000")
	w.stage("its removal", f, stride, changed, "", "")
	w.expect(1, "SELECT count(*) FROM pg_replication_slots WHERE slot_type = 'logical'", "0")
	for i := range w.lab.Hosts {
		if out := w.exec(i+1, "sh", "-c", "ls /var/lib/postgresql/.repltool/jobs /var/lib/postgresql/.repltool/initial 2>/dev/null; ls -d /var/lib/postgresql/15/main?* 2>/dev/null; true"); strings.Contains(out, ".clone") || strings.Contains(out, "repltool-old") {
			w.t.Errorf("host%d: left over:\n%s", i+1, out)
		}
	}
}

// stage declares, and applies under faults until an apply ends by itself.
func (w *world) stage(name string, f fault, stride int, inMain, beside, replace string) {
	w.t.Helper()
	w.threeNodes(inMain, beside)
	writing := name != "from nothing"
	if writing {
		w.startWriter()
	}
	struck := 0
	for w.struck(f, stride, w.replacing(replace)) {
		if struck++; struck > 150 {
			w.t.Fatalf("%s: still not done after %d applies", name, struck)
		}
	}
	w.settled()
	acknowledged, lost, pause := "-", "-", "-"
	if writing {
		acknowledged, lost, pause = w.stopWriter()
		if lost != "0" {
			w.t.Errorf("%s: %s acknowledged rows are lost", name, lost)
		}
	}
	w.t.Logf("| %s | %s, every %d | %d | %s | %s | %s |", name, f.name, stride, struck, acknowledged, lost, pause)
}

// replacing asks for the replacement as long as the old directory is in its place.
func (w *world) replacing(address string) []string {
	if address == "" {
		return nil
	}
	if _, err := w.host(2).Exec(w.t.Context(), "test", "-e", "/var/lib/postgresql/15/main/before"); err != nil {
		return nil
	}
	return []string{"-replace=" + address}
}

// struck runs an apply and strikes it; false when it ended well before.
func (w *world) struck(f fault, stride int, more []string) bool {
	w.t.Helper()
	c := exec.CommandContext(w.t.Context(), binary, append([]string{"apply", "-json", "-auto-approve", "-allow=restart,drop,reclone", "-lock-timeout=2m"}, more...)...)
	c.Dir, c.Env, c.Stderr = w.dir, w.env, &w.sinks
	out, err := c.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		w.t.Fatal(err)
	}
	var said strings.Builder
	host, done := 0, 0
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		said.WriteString(lines.Text() + "\n")
		var e struct{ Type, Node string }
		if json.Unmarshal(lines.Bytes(), &e) != nil || host != 0 {
			continue
		}
		if e.Type == "step_done" {
			done++
		}
		if e.Type == "step_start" && done >= stride || stride == 0 && e.Type == "step_done" {
			host = map[string]int{"pg1": 1, "pg2": 2, "dw1": 3}[e.Node]
			w.hit(c, f, host)
		}
	}
	_ = c.Wait() // the exit code tells
	w.sinks.WriteString(said.String())
	if f.cure != nil && f.during == 0 && host != 0 {
		if err := f.cure(w, host); err != nil {
			w.t.Fatal(err)
		}
	}
	code := c.ProcessState.ExitCode()
	if strings.Contains(said.String(), "panic") || code == 2 || host == 0 && code != 0 && code != 3 {
		w.t.Fatalf("exit code %d\n%s", code, said.String())
	}
	return host != 0 || code != 0
}

// hit strikes at once.
func (w *world) hit(c *exec.Cmd, f fault, host int) {
	w.t.Helper()
	if f.kills {
		_ = c.Process.Signal(syscall.SIGKILL) // it may have ended
		return
	}
	if err := f.strike(w, host); err != nil {
		w.t.Fatal(err)
	}
	if f.during > 0 {
		time.AfterFunc(f.during, func() {
			if err := f.cure(w, host); err != nil {
				w.t.Error(err)
			}
		})
	}
}

// threeNodes declares a synchronous pair and a subscriber's cluster.
func (w *world) threeNodes(inMain, beside string) {
	var b strings.Builder
	b.WriteString("variable \"password\" {\n  type = string\n  sensitive = true\n}\n")
	for i, name := range []string{"pg1", "pg2", "dw1"} {
		fmt.Fprintf(&b, "node %q {\n  host = %q\n  address = %q\n}\n", name, w.lab.Hosts[i].Name, w.lab.Hosts[i].Addr)
	}
	b.WriteString("cluster \"dw\" {\n  primary = node.dw1\n  parameters = { shared_buffers = \"16MB\" }\n  database \"dw\" {}\n}\n")
	b.WriteString("cluster \"main\" {\n  primary = node.pg1\n  standbys = [node.pg2]\n  role \"replicator\" {\n    replication = true\n    password = var.password\n  }\n")
	b.WriteString(inMain + "}\n" + beside)
	w.write("main.hcl", b.String())
}

// startWriter commits a row every 50 ms and notes those that were acknowledged; a server
// that is away is tried again.
func (w *world) startWriter() {
	w.t.Helper()
	w.exec(1, "sh", "-c", `rm -f /tmp/stop; setsid su postgres -c 'while [ ! -e /tmp/stop ]; do psql -XAtqc "INSERT INTO rows DEFAULT VALUES RETURNING id" >>/tmp/acknowledged 2>/dev/null; sleep 0.05; done; echo over >/tmp/over' </dev/null >/dev/null 2>&1 &`)
}

// stopWriter answers how many rows were acknowledged, how many of them are lost, and the
// longest pause between two.
func (w *world) stopWriter() (acknowledged, lost, pause string) {
	w.t.Helper()
	w.exec(1, "touch", "/tmp/stop")
	w.sql(1, "DROP TABLE IF EXISTS acknowledged; CREATE TABLE acknowledged (id bigint)")
	w.sql(1, "COPY acknowledged FROM PROGRAM 'grep -x \"[0-9]*\" /tmp/acknowledged'")
	acknowledged = w.sql(1, "SELECT count(*) FROM acknowledged")
	lost = w.sql(1, "SELECT count(*) FROM acknowledged WHERE id NOT IN (SELECT id FROM rows)")
	pause = w.sql(1, "SELECT round(max(extract(epoch FROM gap))::numeric, 1) || ' s' FROM (SELECT at - lag(at) OVER (ORDER BY id) AS gap FROM rows JOIN acknowledged USING (id)) g")
	w.exec(1, "rm", "-f", "/tmp/acknowledged")
	w.sql(1, "TRUNCATE rows; DROP TABLE acknowledged")
	return acknowledged, lost, pause
}
