package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// death is a way in which a primary goes down and its host answers afterwards.
type death struct {
	name string
	dies func(w *world)
}

func deaths() []death {
	return []death{
		{"killed", func(w *world) { w.killServer(1) }},
		{"host crashed", func(w *world) {
			w.says(w.must(1, "failover", "main", "-auto-approve"), "pg1 is alive", "repltool switchover main -to=NODE")
			w.check(w.host(1).Crash(w.t.Context()))
			w.says(w.must(1, "failover", "main", "-to=pg2", "-auto-approve"), "Failover not supported yet", "pg1 could not be read")
			w.check(w.host(1).Boot(w.t.Context()))
			w.until(1, "pg_isready --quiet") // the host starts it at boot
			w.killServer(1)
		}},
	}
}

// TestFailover has a standby take the place of a primary that is down. Without a synchronous set
// the last acknowledged rows are on the disk of the old primary alone: none is lost, and the old
// primary follows without a rewind. Every combination runs with all versions; else, each version
// with one of them.
func TestFailover(t *testing.T) {
	t.Parallel()
	all := os.Getenv("REPLTOOL_TEST_SUITES") == "all"
	versions := suites()
	if !all {
		versions = append(versions, "bookworm")
	}
	for i, suite := range versions {
		for j, sort := range []string{"asynchronous", "synchronous"} {
			for k, d := range deaths() {
				if all || i == j && j == k {
					t.Run(suite+" "+sort+" "+d.name, func(t *testing.T) {
						newWorld(t, lab.Options{Hosts: 3, Suites: []string{suite}}).failedOver(sort, d.dies)
					})
				}
			}
		}
	}
}

// failedOver kills pg1 under a client's writes, and fails over. Where no commit waits for a
// standby, these receive nothing of the last writes.
func (w *world) failedOver(sort string, dies func(*world)) {
	w.t.Helper()
	unsent, set := sort == "asynchronous", ""
	if !unsent {
		set = "  synchronous { number = 1 }\n"
	}
	w.topology(movable + set)
	w.must(0, "apply", "-auto-approve")
	w.sql(1, "CREATE TABLE writes (id bigint PRIMARY KEY); GRANT INSERT ON writes TO client")
	before := w.read("main.hcl")
	w.says(w.must(1, "failover", "main", "-to=pg2", "-auto-approve"), "Primary is alive", "repltool switchover main -to=pg2")
	c := w.writes()
	w.written(c)
	goOn := func() {}
	if unsent {
		goOn = w.holdReceivers(2, 3)
		w.written(c)
	}
	dies(w)
	goOn()
	missing := w.number(2, "SELECT count(*) FROM writes")
	r := w.must(0, "failover", "main", "-no-edit")
	w.says(r, "+  primary = node.pg", " is chosen", "pg2: WAL up to ", "pg3: WAL up to ") // either may have more
	if w.read("main.hcl") != before {
		w.t.Errorf("the topology is changed:\n%s", w.read("main.hcl"))
	}
	w.says(w.must(0, "failover", "main", "-to=pg2", "-auto-approve"), "its host answers; no server runs", "0 commits are lost")
	w.leads(2, 1, 3)
	w.expect(2, "SELECT result LIKE 'pg1: its host answers; no server runs%' FROM repltool.applies WHERE plan = 'failover from pg1 to pg2'", "t")
	w.written(c)
	if lost := c.lost(2); lost > 0 || len(c.acknowledged) == 0 {
		w.t.Errorf("%d of %d acknowledged rows are lost", lost, len(c.acknowledged))
	}
	w.applied("after the failover", "-allow=drop,restart")
	w.leads(2, 1, 3)
	w.settled()
	w.noSecrets()
	w.t.Logf("%d acknowledged rows, none lost; pg2 had %d rows when pg1 was down; no write for %s at most", len(c.acknowledged), missing, c.gap)
}

// killServer kills the server of host i, with all of its processes.
func (w *world) killServer(i int) {
	w.t.Helper()
	w.exec(i, "timeout", "60", "sh", "-ec", `pkill -KILL -u postgres -x postgres
		while ps -u postgres -o stat=,comm= | grep -v ^Z | grep -q postgres; do sleep 0.02; done`)
}

// holdReceivers has standbys receive nothing, until they go on.
func (w *world) holdReceivers(hosts ...int) (goOn func()) {
	w.t.Helper()
	held := map[int]string{}
	for _, i := range hosts {
		held[i] = strings.TrimSpace(w.exec(i, "pgrep", "-f", "walreceiver"))
		w.exec(i, "kill", "-STOP", held[i])
	}
	return func() {
		w.t.Helper()
		for i, pid := range held {
			w.exec(i, "kill", "-CONT", pid)
		}
	}
}

// TestFailoverKilled kills repltool in a failover, before, in and after a step, in turn at every
// third step: the next apply goes on, and is killed as well, until one comes to the end.
// REPLTOOL_TEST_FAULTS is "all" for each step.
func TestFailoverKilled(t *testing.T) {
	every := 3
	if os.Getenv("REPLTOOL_TEST_FAULTS") == "all" {
		every = 1
	}
	w := newWorld(t, lab.Options{Hosts: 3})
	w.topology(movable)
	w.must(0, "apply", "-auto-approve")
	w.sql(1, "CREATE TABLE writes (id bigint PRIMARY KEY); GRANT INSERT ON writes TO client")
	c := w.writes()
	w.written(c)
	goOn := w.holdReceivers(2, 3)
	w.written(c)
	w.killServer(1)
	goOn()
	at, struck := moments{begins, runs, ends}, map[string]bool{}
	args := []string{"failover", "main", "-to=pg2", "-auto-approve", "-allow=drop,restart", "-lock-timeout=2m"}
	for applies, done := 0, false; !done; applies++ {
		steps, killed, now := 0, false, at.of(len(struck))
		code, told := w.followed(args, func(c *exec.Cmd, e event) {
			if !now.of(e) || killed {
				return
			}
			if steps++; steps%every == 0 && !struck[e.name()] {
				struck[e.name()], killed = true, true
				strikeAt(c, now, applies)
			}
		})
		if done = code == 0 && !killed; applies > 100 {
			t.Fatalf("no apply comes to the end: exit code %d\n%s", code, told)
		}
		if w.run("plan").code != 1 { // it was begun
			args = []string{"apply", "-auto-approve", "-allow=switchover,drop,restart", "-lock-timeout=2m"}
		}
	}
	w.applied("after the last kill", "-allow=drop,restart")
	w.leads(2, 1, 3)
	w.kept(c, 2)
	w.settled()
	t.Logf("killed %d times, %d acknowledged rows, none lost", len(struck), len(c.acknowledged))
}
