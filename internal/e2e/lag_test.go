package e2e

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/repltool/repltool/internal/lab"
	"github.com/repltool/repltool/internal/view"
)

// TestLag makes real lag: a replay that is paused, one that is delayed on purpose, a
// host that is cut off. What status says is what the servers say themselves. A primary
// measures lag when its standby reports, which one with nothing new to say does every
// wal_receiver_status_interval, 10 s by default.
func TestLag(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 3})
	w.topology(`  parameters = { shared_buffers = "16MB", max_slot_wal_keep_size = "512MB", wal_receiver_status_interval = "1s" }
  standby {
    node = node.pg3
    apply_delay = "1h"
  }
  thresholds {
    lag_bytes     = "4MB"
    lag_time      = "2s"
    slot_retained = "4MB"
  }
`)
	w.write("main.hcl", strings.Replace(w.read("main.hcl"), "[node.pg2, node.pg3]", "[node.pg2]", 1))
	w.must(0, "apply", "-auto-approve")
	w.settled()
	w.sql(1, "CREATE TABLE t (x text)")

	// A burst that pg2 receives and does not replay. pg3 does not either, on purpose.
	w.sql(2, "SELECT pg_wal_replay_pause()")
	w.burst()
	end := w.sql(1, "SELECT pg_current_wal_lsn()")
	w.expect(1, "SELECT bool_and(flush_lsn >= '"+end+"' AND replay_lag > '3 s' AND pg_wal_lsn_diff(flush_lsn, replay_lsn) > 4194304) FROM pg_stat_replication", "t")
	status := w.figures(
		figure{
			1, "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) FROM pg_stat_replication WHERE application_name = 'pg2'",
			func(s view.ClusterStatus) int64 { return *lagOf(s, "pg2").ReplayBytes },
		},
		figure{
			2, "SELECT pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())",
			func(s view.ClusterStatus) int64 { return *lagOf(s, "pg2").Backlog },
		},
		figure{
			2, "SELECT extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::int",
			func(s view.ClusterStatus) int64 { return int64(*lagOf(s, "pg2").DelaySeconds + 0.5) },
		},
		figure{
			3, "SELECT pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())",
			func(s view.ClusterStatus) int64 { return *lagOf(s, "pg3").Backlog },
		},
	)
	if l := lagOf(status, "pg2"); !l.Paused || l.FlushBytes == nil || *l.FlushBytes > 1<<20 || l.ReplaySeconds == nil || *l.ReplaySeconds < 3 {
		t.Errorf("pg2: %+v", l)
	}
	if l := lagOf(status, "pg3"); l.ApplyDelay != 3600 {
		t.Errorf("pg3: %+v", l)
	}
	r := w.must(2, "drift")
	w.says(r, "replay on pg2 is paused", "behind pg1; the threshold is 4.0 MB", "behind pg1; the threshold is 2s", "No changes.")
	if strings.Contains(r.stdout, "standby.pg3") {
		t.Errorf("a delayed standby is called lagging:\n%s", r.stdout)
	}
	w.sql(2, "SELECT pg_wal_replay_resume()")
	w.expect(2, "SELECT pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()", "t")
	if l := lagOf(w.status(), "pg2"); l.DelaySeconds != nil {
		t.Errorf("pg2 has replayed all, and its delay is %v", *l.DelaySeconds)
	}
	w.must(0, "drift") // though the last time measured may still be shown
	w.lagOfCutOff()
	w.settled()
	w.noSecrets()
}

// lagOfCutOff cuts a host off: its upstream says what does not reach it.
func (w *world) lagOfCutOff() {
	t := w.t
	t.Helper()
	if err := w.host(3).Cut(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.burst()
	w.figures(
		figure{
			1, "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), flush_lsn) FROM pg_stat_replication WHERE application_name = 'pg3'",
			func(s view.ClusterStatus) int64 { return *lagOf(s, "pg3").FlushBytes },
		},
		figure{
			1, "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) FROM pg_replication_slots WHERE slot_name = 'pg3'",
			func(s view.ClusterStatus) int64 { return *slotOf(s, "pg3").Retained },
		},
		figure{
			1, "SELECT safe_wal_size FROM pg_replication_slots WHERE slot_name = 'pg3'",
			func(s view.ClusterStatus) int64 { return *slotOf(s, "pg3").Safe },
		},
	)
	w.says(w.must(2, "drift", "-timeout=3s"), "cluster.main.standby.pg3", "behind pg1; the threshold is 4.0 MB", "slot pg3 on pg1 holds back", "check the network")
	if err := w.host(3).Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.expect(1, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND flush_lsn = pg_current_wal_lsn()", "2")
}

// burst writes some 8 MB of WAL on the primary.
func (w *world) burst() {
	w.t.Helper()
	w.sql(1, "INSERT INTO t SELECT repeat('x', 1000) FROM generate_series(1, 8000)")
}

// figure is a number that a server and status both tell.
type figure struct {
	of    int
	query string
	said  func(view.ClusterStatus) int64
}

// figures expects what status says to lie between the servers' own answers before and
// after it: they write a little by themselves.
func (w *world) figures(all ...figure) view.ClusterStatus {
	w.t.Helper()
	var before []int64
	for _, f := range all {
		before = append(before, w.number(f.of, f.query))
	}
	status := w.status()
	for i, f := range all {
		a, said, b := before[i], f.said(status), w.number(f.of, f.query)
		if said < min(a, b) || said > max(a, b) {
			w.t.Errorf("pg%d: %s\n is %d to %d, and status says %d", f.of, f.query, a, b, said)
		}
	}
	return status
}

func (w *world) number(i int, query string) int64 {
	w.t.Helper()
	text := w.sql(i, query)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		w.t.Fatalf("pg%d: %s: %q", i, query, text)
	}
	return n
}

func (w *world) status() view.ClusterStatus {
	w.t.Helper()
	var s view.Status
	r := w.run("status", "-json", "-timeout=3s")
	if err := json.Unmarshal([]byte(r.stdout), &s); err != nil || len(s.Clusters) != 1 {
		w.t.Fatalf("status: %v\n%s\n%s", err, r.stdout, r.stderr)
	}
	return s.Clusters[0]
}

// lagOf and slotOf answer what is reported, or nothing.
func lagOf(s view.ClusterStatus, name string) view.Lag {
	for _, n := range s.Nodes {
		if n.Node == name && n.Lag != nil {
			return *n.Lag
		}
	}
	return view.Lag{}
}

func slotOf(s view.ClusterStatus, name string) view.SlotStatus {
	for _, slot := range s.Slots {
		if slot.Name == name {
			return slot
		}
	}
	return view.SlotStatus{}
}
