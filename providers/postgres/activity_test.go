package postgres_test

import (
	"testing"

	"github.com/repltool/repltool/internal/pgtest"
)

// TestActivity finds a transaction that a client has open, and the archiver as long as its
// command fails.
func TestActivity(t *testing.T) {
	everyVersion(t, func(t *testing.T, version int) {
		s := pgtest.Start(t, pgtest.Options{Version: version, Conf: []string{"archive_mode = on", "archive_command = 'false'"}})
		client := s.Session(t)
		if _, err := client.Exec(t.Context(), "BEGIN; SET LOCAL application_name = 'report'; CREATE TABLE t ()").ReadAll(); err != nil {
			t.Fatal(err)
		}
		found := read(t, s).Transactions
		if len(found) != 1 || found[0].PID != int(client.PID()) || found[0].Application != "report" || found[0].Database != "postgres" || found[0].User != s.User || found[0].Age <= 0 {
			t.Errorf("found %+v", found)
		}
		s.Query(t, "SELECT pg_switch_wal()")
		waitFor(t, "the archiver to fail", func() bool { u := read(t, s).Unarchived; return u != nil && u.Segment != "" && u.Since != "" })
		s.Query(t, "ALTER SYSTEM SET archive_command = 'true'")
		s.Query(t, "SELECT pg_reload_conf()")
		waitFor(t, "the archiver to succeed", func() bool { return read(t, s).Unarchived == nil })
		if _, err := client.Exec(t.Context(), "COMMIT").ReadAll(); err != nil {
			t.Fatal(err)
		}
		if left := read(t, s).Transactions; len(left) > 0 {
			t.Errorf("left: %+v", left)
		}
	})
}
