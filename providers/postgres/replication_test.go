package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/repltool/repltool/internal/pgtest"
	"github.com/repltool/repltool/providers/postgres"
)

func TestSlots(t *testing.T) {
	everyVersion(t, func(t *testing.T, version int) {
		s := pgtest.Start(t, pgtest.Options{Version: version, Conf: []string{"wal_level = logical"}})
		long := strings.Repeat("s", 63)
		s.Query(t, "SELECT pg_create_physical_replication_slot('kept', true), pg_create_physical_replication_slot('"+long+"')")
		s.Query(t, "SELECT pg_create_logical_replication_slot('changes', 'test_decoding')")
		s.Query(t, "CREATE TABLE t AS SELECT generate_series(1, 10000); SELECT pg_switch_wal()")
		server := read(t, s)
		var got []string
		for _, x := range server.Slots {
			retained := "nothing"
			if x.RetainedBytes != nil && *x.RetainedBytes > 1<<19 {
				retained = "much"
			}
			got = append(got, fmt.Sprint(x.Name, " ", x.Type, " ", x.Plugin, " ", x.Database, " ", x.Active, " ", x.RestartLSN != "", " ", x.WALStatus, " ", retained))
		}
		want := []string{
			"changes logical test_decoding postgres false true reserved much", "kept physical   false true reserved much",
			long + " physical   false false  nothing",
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	})
}

func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// A cascade, then the middle one is promoted.
func TestStandbys(t *testing.T) {
	everyVersion(t, func(t *testing.T, version int) {
		top := pgtest.Start(t, pgtest.Options{Version: version})
		top.Query(t, "SELECT pg_create_physical_replication_slot('one', true)")
		middle := top.Standby(t, "it's one", "one")
		leaf := middle.Standby(t, "two", "")
		top.Query(t, "CREATE TABLE t AS SELECT 1")
		waitFor(t, "the leaf to have the table", func() bool { return leaf.Query(t, "SELECT to_regclass('t') IS NOT NULL")[0][0] == "t" })
		up, mid, down := read(t, top), read(t, middle), read(t, leaf)
		if up.InRecovery || !mid.InRecovery || up.Receiver != nil || up.Timeline != 1 || mid.Timeline != 1 || down.Timeline != 1 || up.SystemIdentifier != down.SystemIdentifier {
			t.Errorf("%v %v %v", up.Receiver, mid.Timeline, down.Timeline)
		}
		if len(up.Senders) != 1 || len(mid.Senders) != 1 || len(down.Senders) != 0 {
			t.Fatalf("%+v %+v", up.Senders, mid.Senders)
		}
		x := up.Senders[0]
		if x.ApplicationName != "it's one" || x.SlotName != "one" || x.State != "streaming" || x.SyncState != "async" || x.User != top.User || x.LagBytes == nil || *x.LagBytes < 0 || x.PID == 0 {
			t.Errorf("%+v", x)
		}
		if slot := up.Slots[0]; !slot.Active || slot.ActivePID != x.PID || slot.RetainedBytes == nil {
			t.Errorf("%+v", slot)
		}
		r := mid.Receiver
		if r == nil || r.Status != "streaming" || r.SlotName != "one" || r.SenderHost != top.SocketDir || r.SenderPort != top.Port || r.ReceivedTLI != 1 || r.ReceiveLSN == "" || r.ReplayLSN != mid.LSN || r.ReplayPaused || r.ReplayDelay != nil || r.Backlog == nil || *r.Backlog != 0 {
			t.Errorf("%+v", r)
		}
		leaf.Query(t, "SELECT pg_wal_replay_pause()")
		if r := read(t, leaf).Receiver; !r.ReplayPaused {
			t.Errorf("%+v", r)
		}
		leaf.Query(t, "SELECT pg_wal_replay_resume()")
		top.Stop(t, syscall.SIGQUIT)
		if r := read(t, middle); r.Receiver == nil || r.Timeline != 1 {
			t.Errorf("without an upstream: %+v", r.Receiver)
		}
		middle.Query(t, "SELECT pg_promote()")
		if r := read(t, middle); r.InRecovery || r.Timeline != 2 || r.Receiver != nil {
			t.Errorf("promoted: timeline %d", r.Timeline)
		}
		waitFor(t, "the leaf on the new timeline", func() bool { return read(t, leaf).Timeline == 2 })
		leaf.Stop(t, syscall.SIGINT)
		middle.Stop(t, syscall.SIGINT)
		leaf.Start(t)
		if r := read(t, leaf); r.Timeline != 2 || r.Receiver.Status != "" || r.Receiver.PID != 0 {
			t.Errorf("alone: timeline %d, %+v", r.Timeline, r.Receiver)
		}
	})
}

// The costs of a reading do not hang on the number of objects, and time does little.
func TestManyObjects(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{})
	s.Query(t, "DO $$ BEGIN FOR i IN 1..2000 LOOP EXECUTE format('CREATE ROLE r%s IN ROLE pg_monitor', i); END LOOP; END $$")
	to := target(s)
	to.Reading = true
	db := open(t, s, to)
	begin := time.Now()
	server, err := postgres.Read(t.Context(), db)
	took := time.Since(begin)
	if err != nil || len(server.Roles) != 2001 {
		t.Fatalf("%d roles, %v", len(server.Roles), err)
	}
	t.Logf("2000 roles: %s", took)
}

func BenchmarkRead(b *testing.B) {
	s := pgtest.Start(b, pgtest.Options{})
	to := target(s)
	to.Reading = true
	for b.Loop() {
		db, err := postgres.Connect(context.Background(), s.Dial, to)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := postgres.Read(context.Background(), db); err != nil {
			b.Fatal(err)
		}
		db.Close()
	}
}
