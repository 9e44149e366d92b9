package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/repltool/repltool/internal/lab"
)

// Faults at exact steps, over plans that hold all kinds. The events of an apply are the
// gate: a fault strikes when a step begins, while it runs, or when it is done, and again
// after `every` more steps. Then the next apply continues, and is struck as well, until one
// ends without a fault. Each stage ends in sync, with no acknowledged row lost and nothing
// left over.
//
// `make test` strikes with each fault in turn at every few steps. `make faults` does each
// fault at each step, before, in and after it, and prints the table of docs/reliability.md.

// fault is what strikes a host, and its end: at once, after a while, after some steps, and
// at the latest once the apply has ended.
type fault struct {
	name   string
	kills  bool          // repltool itself: no host is struck
	during time.Duration // 0: until the end of the apply, or of some steps
	steps  int
	strike func(w *world, host int) error
	cure   func(w *world, host int) error
}

func killed() fault { return fault{name: "kill -9 of repltool", kills: true} }

func sessionsCut() fault {
	return fault{name: "SSH sessions cut", strike: func(w *world, host int) error {
		_, err := w.host(host).Exec(w.t.Context(), "sh", "-c", "kill -9 $(pgrep -f '^sshd: admin') 2>/dev/null; true")
		return err
	}}
}

func dropped(d time.Duration) fault {
	return fault{
		name: fmt.Sprintf("packets dropped for %s", d), during: d,
		strike: func(w *world, host int) error { return w.host(host).DropAll(w.t.Context()) },
		cure:   func(w *world, host int) error { return w.host(host).Heal(w.t.Context()) },
	}
}

func frozen(d time.Duration) fault {
	return fault{
		name: fmt.Sprintf("host frozen for %s", d), during: d,
		strike: func(w *world, host int) error { return w.host(host).Freeze(w.t.Context()) },
		cure:   func(w *world, host int) error { return w.host(host).Thaw(w.t.Context()) },
	}
}

func rebooted() fault {
	return fault{name: "host crash and boot", strike: func(w *world, host int) error {
		if err := w.host(host).Crash(w.t.Context()); err != nil {
			return err
		}
		return w.host(host).Boot(w.t.Context())
	}}
}

func crashed() fault {
	return fault{
		name:   "host crash, boot after the apply",
		strike: func(w *world, host int) error { return w.host(host).Crash(w.t.Context()) },
		cure:   func(w *world, host int) error { return w.host(host).Boot(w.t.Context()) },
	}
}

func diskFull() fault {
	return fault{
		name: "disk full for three steps", steps: 3,
		strike: func(w *world, host int) error { return w.host(host).Fill(w.t.Context(), 0) },
		cure:   func(w *world, host int) error { return w.host(host).Unfill(w.t.Context()) },
	}
}

// walk is one way through the stages: the faults that strike, in turn, at which moment of a
// step, and how many steps are done between two of them.
type walk struct {
	faults []fault
	at     moment
	every  int
}

func (k walk) String() string {
	name := "each fault in turn"
	if len(k.faults) == 1 {
		name = k.faults[0].name
	}
	return fmt.Sprintf("%s, %s, every %d", name, k.at, k.every)
}

// walks are those of `make faults`, or the short one of `make test`.
func walks(which string) []walk {
	if which == "" {
		return []walk{{[]fault{killed(), rebooted(), sessionsCut(), diskFull(), dropped(3 * time.Second), frozen(3 * time.Second)}, begins, 7}}
	}
	var all []walk
	for _, f := range []fault{killed(), sessionsCut(), rebooted(), diskFull()} {
		all = append(all, walk{[]fault{f}, begins, 1}, walk{[]fault{f}, runs, 1}, walk{[]fault{f}, ends, 1})
	}
	for _, f := range []fault{dropped(20 * time.Second), frozen(20 * time.Second), crashed()} {
		all = append(all, walk{[]fault{f}, begins, 1})
	}
	// Longer than a lock is held without an answer.
	for _, f := range []fault{dropped(70 * time.Second), frozen(70 * time.Second)} {
		all = append(all, walk{[]fault{f}, begins, 6})
	}
	return matching(all, which)
}

func matching(all []walk, which string) []walk {
	if which == "all" {
		return all
	}
	var some []walk
	for _, k := range all {
		if strings.Contains(k.String(), which) {
			some = append(some, k)
		}
	}
	return some
}

// TestFaults walks through plans of all kinds. REPLTOOL_TEST_FAULTS is "all" for each fault
// at each step, or a part of the name of a walk.
func TestFaults(t *testing.T) {
	t.Parallel()
	which := os.Getenv("REPLTOOL_TEST_FAULTS")
	chosen := walks(which)
	if len(chosen) == 0 {
		t.Fatalf("REPLTOOL_TEST_FAULTS=%s: no walk has this in its name", which)
	}
	for _, k := range chosen {
		t.Run(k.String(), func(t *testing.T) {
			w := newWorld(t, lab.Options{Hosts: 3, DiskMB: 700})
			defer w.keepOutput()
			w.walk(k)
			w.noSecrets()
		})
	}
}

// keepOutput keeps all that the program wrote, when the test has failed.
func (w *world) keepOutput() {
	if !w.t.Failed() {
		return
	}
	f, err := os.CreateTemp("", "repltool-faults-*.json")
	if err != nil {
		w.t.Error(err)
		return
	}
	defer f.Close()
	_, err = w.sinks.WriteTo(f)
	w.t.Logf("what the applies wrote is in %s (%v)", f.Name(), err)
}

// walk goes through the stages.
func (w *world) walk(k walk) {
	w.t.Helper()
	s := striker{w: w, walk: k}
	w.t.Log("| plan | fault | strikes | applies | acknowledged rows | lost | longest pause |")
	base := `
  parameters = { shared_buffers = "16MB", wal_level = "logical", listen_addresses = "*" }
  synchronous { number = 1 }
  database "shop" {}
`
	s.stage("from nothing", base, "", "")
	w.in(1, "shop", "CREATE TABLE orders (id bigint PRIMARY KEY); INSERT INTO orders SELECT generate_series(1, 20000)")
	w.sql(1, "CREATE TABLE rows (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY)")
	changed := strings.Replace(base, `"16MB"`, `"17MB", max_connections = 120`, 1) +
		"  role \"app\" { password = var.password }\n  hba {\n    type = \"host\"\n    database = \"shop\"\n    user = \"app\"\n    address = \"10.77.0.0/16\"\n    method = \"scram-sha-256\"\n  }\n"
	s.stage("change of everything", changed, "", "")
	w.exec(2, "touch", "/var/lib/postgresql/15/main/before")
	s.stage("-replace of the synchronous standby", changed, "", "cluster.main.standby.pg2")
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
	s.stage("subscription with copy_schema", changed, logical, "")
	w.expectIn(3, "dw", "SELECT count(*) FROM orders", "20000")
	s.stage("its removal", changed, "", "")
	w.dropUnconfirmed()
	w.expect(1, "SELECT count(*) FROM pg_replication_slots WHERE slot_type = 'logical'", "0")
	w.nothingLeft()
}

// dropUnconfirmed drops the subscription where its creation was never confirmed: then the
// apply that removed its block has left it, said so, and kept its slot.
func (w *world) dropUnconfirmed() {
	w.t.Helper()
	if w.in(3, "dw", "SELECT count(*) FROM pg_subscription") == "0" {
		return
	}
	w.says(w.must(0, "plan"), "Unmanaged: cluster.dw.subscription.orders", "slot orders", "not defined in the topology any more")
	for _, statement := range []string{"DISABLE", "SET (slot_name = NONE)"} {
		w.in(3, "dw", "ALTER SUBSCRIPTION orders "+statement)
	}
	w.in(3, "dw", "DROP SUBSCRIPTION orders")
	w.must(0, "apply", "-auto-approve", "-allow=drop")
	w.settled()
}

// nothingLeft looks for what an apply that was cut off could have left behind.
func (w *world) nothingLeft() {
	w.t.Helper()
	for i := range w.lab.Hosts {
		out := w.exec(i+1, "sh", "-c", "cd /var/lib/postgresql; find .repltool/jobs .repltool/initial -mindepth 1 2>/dev/null; ls -d 15/main?* 2>/dev/null; true")
		if out = strings.TrimSpace(out); out != "" {
			w.t.Errorf("host%d: left over:\n%s", i+1, out)
		}
	}
}

// stage declares, and applies under faults until an apply ends without one.
func (s *striker) stage(name, inMain, beside, replace string) {
	w := s.w
	w.t.Helper()
	w.threeNodes(inMain, beside)
	var writer *writer
	if name != "from nothing" {
		writer = w.startWriter()
	}
	s.applies, s.strikes, s.struck = 0, 0, map[string]bool{}
	for s.apply(w.replacing(replace)) {
	}
	w.connected()
	w.copiedAgain(inMain, beside)
	w.settled()
	rows := "- | - | -"
	if writer != nil {
		rows = writer.stop()
	}
	w.t.Logf("| %s | %s | %d | %d | %s |", name, s.walk, s.strikes, s.applies, rows)
}

// connected waits until each standby has found that its upstream is another boot: a receiver
// gives up after wal_receiver_timeout, a minute.
func (w *world) connected() {
	w.t.Helper()
	for deadline := time.Now().Add(90 * time.Second); w.run("drift").code != 0 && time.Now().Before(deadline); {
		time.Sleep(time.Second)
	}
}

// copiedAgain does what the finding says where the subscriber crashed between the last two
// steps of an initial table copy, from which PostgreSQL finds no way by itself.
func (w *world) copiedAgain(inMain, beside string) {
	w.t.Helper()
	if !strings.Contains(w.run("drift").stdout, "was interrupted at its very end") {
		return
	}
	w.t.Log("the initial table copy was cut off at its very end: it is done again as the finding says")
	w.threeNodes(inMain, strings.Replace(beside, `["public.orders"]`, "[]", 1))
	w.must(0, "apply", "-auto-approve", "-allow=drop")
	w.in(3, "dw", "DELETE FROM orders")
	w.threeNodes(inMain, beside)
	w.must(0, "apply", "-auto-approve", "-allow=drop")
	w.expectIn(3, "dw", "SELECT count(*) FROM orders", "20000")
	w.connected()
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
