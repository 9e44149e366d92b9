package providers

import (
	"testing"
	"time"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pgtest"
	"github.com/repltool/repltool/topology"
)

// A reading that a server ends is begun again: a standby, for what it replays, and an
// administrator, for a reason of his own. The gate is a lock that each reading waits for.
func TestReadingsEnded(t *testing.T) {
	primary, standby, top := pair(t)
	standby.Append(t, "postgresql.conf", "max_standby_streaming_delay = 0")
	standby.Query(t, "SELECT pg_reload_conf()")
	c := top.Clusters[0]
	top.Publications = []*topology.Publication{{Name: "p", ID: "publication.p", Cluster: c, Database: "postgres"}}
	const readings = "FROM pg_stat_activity WHERE application_name = 'repltool' AND wait_event_type = 'Lock'"
	eventually := func(t *testing.T, s *pgtest.Server, condition string) {
		t.Helper()
		for end := time.Now().Add(time.Minute); s.Query(t, "SELECT "+condition)[0][0] != "t"; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("it never came to %s", condition)
			}
		}
	}
	for _, k := range []struct {
		name string
		on   *pgtest.Server
		node string
		ends func(t *testing.T)
	}{
		{"what a standby replays", standby, "pg2", func(t *testing.T) {
			primary.Query(t, "BEGIN; LOCK TABLE pg_replication_origin_status IN ACCESS EXCLUSIVE MODE; COMMIT; SELECT pg_switch_wal()")
			eventually(t, standby, "confl_lock > 0 FROM pg_stat_database_conflicts WHERE datname = 'postgres'")
		}},
		{"an administrator, on a standby", standby, "pg2", func(t *testing.T) { standby.Query(t, "SELECT pg_terminate_backend(pid) "+readings) }},
		{"an administrator, on a primary", primary, "pg1", func(t *testing.T) { primary.Query(t, "SELECT pg_terminate_backend(pid) "+readings) }},
	} {
		t.Run(k.name, func(t *testing.T) {
			gate := primary.Session(t)
			run := func(sql string) {
				t.Helper()
				if _, err := gate.Exec(t.Context(), sql).ReadAll(); err != nil {
					t.Fatal(err)
				}
			}
			run("BEGIN; LOCK TABLE pg_subscription IN ACCESS EXCLUSIVE MODE")
			primary.Query(t, "SELECT pg_switch_wal()")
			eventually(t, standby, "EXISTS (SELECT FROM pg_locks WHERE relation = 'pg_subscription'::regclass AND mode = 'AccessExclusiveLock')")
			found := make(chan *facts.Node, 1)
			go func() { found <- open(t, top, nil).Node(k.node).inspect(t.Context(), top, c, time.Minute) }()
			eventually(t, k.on, "count(*) = 2 "+readings) // of the server, and of its database
			k.ends(t)
			run("ROLLBACK")
			n := <-found
			if !n.Complete() || n.Server == nil {
				t.Fatalf("%+v, %+v", n.Error, n.ServerError)
			}
			if l := n.Server.Logical["postgres"]; k.on == primary && (l == nil || l.Error != nil) {
				t.Errorf("database: %+v", l)
			}
		})
	}
}
