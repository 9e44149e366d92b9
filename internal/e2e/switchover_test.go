package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/repltool/repltool/internal/lab"
)

// movable is what a cluster has beside its nodes so that a client can follow the primary.
const movable = "  parameters = { shared_buffers = \"16MB\" }\n" + clientAccess

const clientAccess = `  role "client" {
    login    = true
    password = var.password
  }
  hba {
    type     = "host"
    database = "postgres"
    user     = "client"
    address  = "10.77.0.0/16"
    method   = "scram-sha-256"
  }
`

// client writes to whoever leads, as an application does: it looks for the server that takes
// writes, notes each id that was acknowledged, and looks again when its connection ends.
type client struct {
	w            *world
	stop         chan struct{}
	done         chan struct{}
	acknowledged map[string]bool
	gap          time.Duration // the longest between two
	written      atomic.Int64
	through      string // a connection string of a proxy; "" for the servers
}

func (w *world) writes() *client { return w.writesThrough("") }

func (w *world) writesThrough(proxy string) *client {
	c := &client{w: w, through: proxy, stop: make(chan struct{}), done: make(chan struct{}), acknowledged: map[string]bool{}}
	go c.run()
	return c
}

func (c *client) run() {
	defer close(c.done)
	var conn *pgconn.PgConn
	var last time.Time
	for id := time.Now().UnixNano(); ; id++ {
		select {
		case <-c.stop:
			return
		case <-c.w.t.Context().Done():
			return
		case <-time.After(2 * time.Millisecond):
		}
		if conn == nil {
			conn = c.connect()
			continue
		}
		ctx, cancel := context.WithTimeout(c.w.t.Context(), 30*time.Second)
		_, err := conn.Exec(ctx, fmt.Sprintf("INSERT INTO writes VALUES (%d)", id)).ReadAll()
		cancel()
		if err != nil {
			_ = conn.Close(c.w.t.Context()) // it is of no use any more
			conn = nil
			continue
		}
		c.acknowledged[fmt.Sprint(id)] = true
		c.written.Add(1)
		if now := time.Now(); !last.IsZero() {
			c.gap = max(c.gap, now.Sub(last))
			last = now
		} else {
			last = now
		}
	}
}

// connect finds the server that takes writes; nil for none yet.
func (c *client) connect() *pgconn.PgConn {
	ways := []string{c.through}
	if c.through == "" {
		ways = nil
		for _, h := range c.w.lab.Hosts {
			ways = append(ways, "host="+h.Addr+" port=5432 dbname=postgres target_session_attrs=read-write")
		}
	}
	for _, way := range ways {
		config, err := pgconn.ParseConfig(way + " user=client sslmode=disable connect_timeout=1")
		if err != nil {
			return nil
		}
		config.Password = canary
		if conn, err := pgconn.ConnectConfig(c.w.t.Context(), config); err == nil {
			return conn
		}
	}
	return nil
}

// lost ends the writing and returns how many acknowledged rows the server of host i lacks.
func (c *client) lost(i int) int {
	c.w.t.Helper()
	close(c.stop)
	<-c.done
	lost := len(c.acknowledged)
	for _, id := range strings.Fields(c.w.sql(i, "SELECT id FROM writes")) {
		if c.acknowledged[id] {
			lost--
		}
	}
	return lost
}

// leads expects that host i leads and the others stream from it, all that lead there exist,
// and nothing is left of the roles before.
func (w *world) leads(i int, standbys ...int) {
	w.t.Helper()
	w.expect(i, "SELECT pg_is_in_recovery()", "f")
	var names []string
	for _, s := range standbys {
		names = append(names, fmt.Sprintf("pg%d", s))
		w.expect(s, "SELECT pg_is_in_recovery()", "t")
		w.expect(s, "SELECT count(*) FROM pg_replication_slots s WHERE NOT active AND coalesce(to_jsonb(s)->>'synced', 'false') = 'false'", "0")
	}
	slices.Sort(names)
	w.expect(i, "SELECT string_agg(slot_name, ' ' ORDER BY slot_name) FROM pg_replication_slots WHERE active AND slot_type = 'physical'", strings.Join(names, " "))
	w.expect(i, "SELECT string_agg(application_name, ' ' ORDER BY application_name) FROM pg_stat_replication WHERE state = 'streaming'\n"+
		"  AND pid NOT IN (SELECT active_pid FROM pg_replication_slots WHERE slot_type = 'logical' AND active)", strings.Join(names, " "))
	w.expect(i, "SELECT count(*) FROM repltool.managed WHERE object LIKE 'intent%'", "0")
}

// moveTo edits the topology as the verb does.
func (w *world) moveTo(from, to int) {
	w.t.Helper()
	text := w.read("main.hcl")
	list := text[strings.Index(text, "standbys = ["):]
	list = list[:strings.Index(list, "]")+1]
	text = strings.Replace(text, list, strings.Replace(list, fmt.Sprintf("node.pg%d", to), fmt.Sprintf("node.pg%d", from), 1), 1)
	w.write("main.hcl", strings.Replace(text, fmt.Sprintf("primary = node.pg%d", from), fmt.Sprintf("primary = node.pg%d", to), 1))
}

// TestSwitchover moves the primary there and back, by the verb and by an edit, while a client
// writes: no acknowledged row is lost, and nothing is left to do.
func TestSwitchover(t *testing.T) {
	t.Parallel()
	for _, suite := range append([]string{"bookworm"}, suites()...) {
		for name, set := range map[string]string{"synchronous": "  synchronous { number = 1 }\n", "asynchronous": ""} {
			t.Run(suite+" "+name, func(t *testing.T) {
				w := newWorld(t, lab.Options{Hosts: 3, Suites: []string{suite}})
				w.topology(movable + set)
				w.must(0, "apply", "-auto-approve")
				w.sql(1, "CREATE TABLE writes (id bigint PRIMARY KEY); GRANT INSERT ON writes TO client")
				w.asksFirst()
				w.move(1, 2, 3, func() { w.must(0, "switchover", "main", "-to=pg2", "-auto-approve") })
				w.move(2, 3, 1, func() { w.moveTo(2, 3); w.must(0, "apply", "-auto-approve", "-allow=switchover") })
				w.move(3, 1, 2, func() { w.must(0, "switchover", "cluster.main", "-to=node.pg1", "-auto-approve") })
				w.noSecrets()
			})
		}
	}
}

// move moves the primary under a client's writes.
func (w *world) move(from, to, third int, do func()) {
	w.t.Helper()
	c := w.writes()
	w.written(c)
	do()
	w.leads(to, from, third)
	w.written(c) // the gap has ended
	if lost := c.lost(to); lost > 0 || len(c.acknowledged) == 0 {
		w.t.Errorf("pg%d to pg%d: %d of %d acknowledged rows are lost", from, to, lost, len(c.acknowledged))
	}
	w.t.Logf("pg%d to pg%d: %d acknowledged rows, none lost, no write for %s at most", from, to, len(c.acknowledged), c.gap.Round(time.Millisecond))
	w.settled()
}

// written waits until the client has written something.
func (w *world) written(*client) {
	w.t.Helper()
	leader := 1
	for i := range w.lab.Hosts {
		if w.sql(i+1, "SELECT pg_is_in_recovery()") == "f" { // others may be of another cluster
			leader = i + 1
			break
		}
	}
	before := w.sql(leader, "SELECT count(*) FROM writes")
	w.reaches(server{leader, 5432, "postgres"}, "SELECT count(*) > "+before+" FROM writes", "t")
}

// asksFirst does not move the primary without a yes, and leaves the topology as it was.
func (w *world) asksFirst() {
	w.t.Helper()
	before := w.read("main.hcl")
	w.says(w.must(1, "switchover", "main", "-to=pg2"), "No terminal to ask for approval")
	w.says(w.must(1, "switchover", "main", "-to=pg4"), "cluster.main has no such node")
	if w.read("main.hcl") != before {
		w.t.Errorf("the topology is changed:\n%s", w.read("main.hcl"))
	}
	w.moveTo(1, 2)
	w.says(w.must(1, "apply", "-auto-approve"), "Some changes need -allow", "SWITCHOVER")
	w.write("main.hcl", before)
	w.settled()
}

// TestSwitchoverTakenBack has the standby pause its replay: before the primary is stopped, which
// then goes on, and while it is being stopped. The standby is not promoted, the primary leads
// again, and the edit is taken back. The next switchover finds nothing of it.
func TestSwitchoverTakenBack(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]string{"synchronous": "  synchronous { number = 1 }\n", "asynchronous": ""} {
		t.Run(name, func(t *testing.T) { movesAfterTakenBack(t, set) })
	}
}

func movesAfterTakenBack(t *testing.T, set string) {
	w := newWorld(t, lab.Options{Hosts: 3})
	w.topology(movable + set)
	w.must(0, "apply", "-auto-approve")
	w.sql(1, "CREATE TABLE writes (id bigint PRIMARY KEY); GRANT INSERT ON writes TO client")
	started := w.sql(1, "SELECT pg_postmaster_start_time()")
	w.takenBack("verify that pg1", func() {})
	w.expect(1, "SELECT pg_postmaster_start_time()", started)
	stop := w.holdStop(1)
	w.takenBack("stop pg1", stop)
	w.must(0, "switchover", "main", "-to=pg2", "-auto-approve")
	w.leads(2, 1, 3)
	w.settled()
}

// takenBack moves the primary from pg1 to pg2, of which the replay is paused when a step begins,
// which then goes on: the move is taken back.
func (w *world) takenBack(step string, goOn func()) {
	w.t.Helper()
	before := w.read("main.hcl")
	c := w.writes()
	w.written(c)
	code, told := w.followed([]string{"switchover", "main", "-to=pg2", "-auto-approve"}, func(_ *exec.Cmd, e event) {
		if e.Type == "step_start" && strings.HasPrefix(e.Why, step) {
			w.pauseReplay(2)
			goOn()
		}
	})
	_, _ = w.host(2).SQLOn(w.t.Context(), 5432, "postgres", "SELECT pg_wal_replay_resume()") // what is replayed then may end the statement
	w.expect(2, "SELECT pg_is_wal_replay_paused()", "f")
	if code != 1 || w.read("main.hcl") != before {
		w.t.Errorf("exit code %d; the topology after it:\n%s\n%s", code, w.read("main.hcl"), told)
	}
	w.leads(1, 2, 3)
	w.kept(c, 1)
	w.settled()
}

// pauseReplay returns once the standby of host i replays nothing any more.
func (w *world) pauseReplay(i int) {
	w.t.Helper()
	w.sql(i, "SELECT pg_wal_replay_pause()")
	w.expect(i, "SELECT pg_get_wal_replay_pause_state()", "paused")
}

// holdStop has the next stop of host i's server wait until it is let go.
func (w *world) holdStop(i int) (letGo func()) {
	w.t.Helper()
	const gate = "/run/stop.gate"
	w.exec(i, "sh", "-ec", `mkfifo `+gate+`
		cd /usr/lib/postgresql/15/bin
		[ -e pg_ctl.real ] || mv pg_ctl pg_ctl.real
		cat >pg_ctl <<-'END'
			#!/bin/sh
			[ "$1" != stop ] || [ ! -p `+gate+` ] || read -r _ <`+gate+`
			exec /usr/lib/postgresql/15/bin/pg_ctl.real "$@"
		END
		chmod 755 pg_ctl`)
	return func() {
		w.t.Helper()
		w.exec(i, "timeout", "60", "sh", "-ec", "echo >"+gate+"; rm "+gate) // opened once it is read
	}
}

// kept ends the writing and expects every acknowledged row on the server of host i.
func (w *world) kept(c *client, i int) {
	w.t.Helper()
	if lost := c.lost(i); lost > 0 {
		w.t.Errorf("%d acknowledged rows are lost", lost)
	}
}

// TestSwitchoverKilled kills repltool in a switchover, before, in and after a step, in turn at
// every sixth step. With the topology as it was edited each next apply goes on, and is killed as
// well, until one comes to the end; with the topology as it was before, the primary leads again.
// REPLTOOL_TEST_FAULTS is "all" for each of these moments at each step.
func TestSwitchoverKilled(t *testing.T) {
	t.Parallel()
	every, walks := 6, []moments{{begins, runs, ends}}
	if os.Getenv("REPLTOOL_TEST_FAULTS") == "all" {
		every, walks = 1, []moments{{begins}, {runs}, {ends}}
	}
	for _, at := range walks {
		t.Run(at.String(), func(t *testing.T) {
			w := newWorld(t, lab.Options{Hosts: 3})
			w.topology(movable + "  synchronous { number = 1 }\n")
			w.must(0, "apply", "-auto-approve")
			w.sql(1, "CREATE TABLE writes (id bigint PRIMARY KEY); GRANT INSERT ON writes TO client")
			w.killedOn(at, every)
			w.killedBack(at, every)
			w.noSecrets()
		})
	}
}

// TestSwitchoverStarted kills repltool once the primary is stopped, and starts that by hand, as the
// standby that it is by then: nobody leads, and status says so. The next apply promotes the new
// primary, or the old one with the topology as it was before.
func TestSwitchoverStarted(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 3})
	w.topology(movable + "  synchronous { number = 1 }\n")
	w.must(0, "apply", "-auto-approve")
	w.sql(1, "CREATE TABLE writes (id bigint PRIMARY KEY); GRANT INSERT ON writes TO client")
	before := w.read("main.hcl")
	c := w.startedByHand()
	w.write("main.hcl", before)
	w.applied("with the topology of before", "-allow=drop")
	w.leads(1, 2, 3)
	w.kept(c, 1)
	w.settled()
	c = w.startedByHand()
	w.applied("with the topology as it was edited", "-allow=switchover,drop")
	w.leads(2, 1, 3)
	w.kept(c, 2)
	w.settled()
}

// startedByHand leaves a move from pg1 to pg2 before the promotion, with pg1 started since: pg2
// replays nothing from before pg1 is stopped until repltool is killed.
func (w *world) startedByHand() *client {
	w.t.Helper()
	c := w.writes()
	w.written(c)
	stop := w.holdStop(1)
	w.followed([]string{"switchover", "main", "-to=pg2", "-auto-approve"}, func(c *exec.Cmd, e event) {
		switch {
		case e.Type == "step_start" && strings.HasPrefix(e.Why, "stop pg1"):
			w.pauseReplay(2)
			stop()
		case e.Type == "step_start" && strings.HasPrefix(e.Why, "pg2 has replayed all"):
			_ = c.Process.Signal(syscall.SIGKILL) // it may have ended
		}
	})
	w.sql(2, "SELECT pg_wal_replay_resume()")
	if r := w.run("status"); r.code != 2 {
		w.t.Fatalf("status: exit code %d\n%s", r.code, r.stdout)
	}
	w.exec(1, "pg_ctlcluster", "15", "main", "start")
	w.expect(1, "SELECT pg_is_in_recovery()", "t")
	if r := w.run("status"); r.code != 2 || !strings.Contains(r.stdout, "no member of cluster.main leads") {
		w.t.Fatalf("status: exit code %d\n%s", r.code, r.stdout)
	}
	return c
}

// moments are those at which one kill after another strikes, in turn.
type moments []moment

func (m moments) of(kill int) moment { return m[kill%len(m)] }

func (m moments) String() string {
	var words []string
	for _, at := range m {
		words = append(words, at.String())
	}
	return strings.Join(words, ", ")
}

// killedOn moves pg1's place to pg2 over as many applies as it takes.
func (w *world) killedOn(at moments, every int) {
	w.t.Helper()
	c := w.writes()
	w.written(c)
	w.moveTo(1, 2)
	struck, applies := map[string]bool{}, 0
	for done := false; !done; applies++ {
		steps, killed, now := 0, false, at.of(len(struck))
		code, _ := w.followed([]string{"apply", "-auto-approve", "-allow=switchover,drop,restart", "-lock-timeout=2m"}, func(c *exec.Cmd, e event) {
			if !now.of(e) || killed {
				return
			}
			if steps++; steps%every == 0 && !struck[e.name()] {
				struck[e.name()], killed = true, true
				strikeAt(c, now, applies)
			}
		})
		if done = code == 0 && !killed; applies > 150 {
			w.t.Fatalf("no apply comes to the end: exit code %d", code)
		}
	}
	w.applied("after the last kill", "-allow=drop,restart")
	w.leads(2, 1, 3)
	if lost := c.lost(2); lost > 0 {
		w.t.Errorf("%d acknowledged rows are lost", lost)
	}
	w.settled()
	w.t.Logf("killed %d times, %d applies, %d acknowledged rows, none lost, no write for %s at most", len(struck), applies, len(c.acknowledged), c.gap.Round(time.Millisecond))
}

// strikeAt kills the program, in a step some time after its beginning.
func strikeAt(c *exec.Cmd, at moment, turn int) {
	if at == runs {
		time.Sleep(5 * time.Millisecond << (turn % 8))
	}
	_ = c.Process.Signal(syscall.SIGKILL) // it may have ended
}

// killedBack begins to move the primary from pg2 to pg3, is killed at a step, and is not to
// move it any more.
func (w *world) killedBack(at moments, every int) {
	w.t.Helper()
	before := w.read("main.hcl")
	c := w.writes()
	w.written(c)
	kills := 0
	for ; ; kills++ {
		w.moveTo(2, 3)
		steps, promoted, name, now := 0, false, "", at.of(kills)
		w.followed([]string{"apply", "-auto-approve", "-allow=switchover"}, func(c *exec.Cmd, e event) {
			promoted = promoted || strings.HasPrefix(e.Why, "promote")
			if now.of(e) && name == "" {
				if steps++; steps == 1+kills*every {
					name = e.name()
					strikeAt(c, now, kills)
				}
			}
		})
		if promoted || name == "" {
			break
		}
		w.write("main.hcl", before)
		w.applied(name, "-allow=drop")
		w.dropUnconfirmedSlots(3)
		w.leads(2, 1, 3)
		w.settled()
	}
	w.applied("after the promotion", "-allow=switchover,drop,restart")
	w.leads(3, 1, 2)
	if lost := c.lost(3); lost > 0 {
		w.t.Errorf("%d acknowledged rows are lost", lost)
	}
	w.settled()
	w.t.Logf("killed %d times before the promotion, %d acknowledged rows, none lost", kills, len(c.acknowledged))
}

// dropUnconfirmedSlots drops the slots of a kill between their creation and its confirmation:
// the plan lists them.
func (w *world) dropUnconfirmedSlots(i int) {
	w.t.Helper()
	for _, slot := range strings.Fields(w.sql(i, "SELECT slot_type || ':' || slot_name FROM pg_replication_slots WHERE NOT active")) {
		kind, name, _ := strings.Cut(slot, ":")
		w.says(w.must(0, "plan", "-verbose"), fmt.Sprintf("Unmanaged: cluster.main.slot.%s on pg%d: %s slot %s, not in use", name, i, kind, name))
		w.sql(i, "SELECT pg_drop_replication_slot('"+name+"')")
	}
}

// applied applies until nothing is left to do: what a server that was down needs is planned
// once it is up.
func (w *world) applied(after, allow string) {
	w.t.Helper()
	for tries := 0; w.run("apply", "-auto-approve", allow, "-lock-timeout=2m").code != 0 || w.run("plan", "-detailed-exitcode").code != 0; tries++ {
		if tries > 5 {
			r := w.run("plan")
			w.t.Fatalf("%s: there is no end:\n%s\n%s", after, r.stdout, r.stderr)
		}
	}
}
