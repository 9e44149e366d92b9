package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/repltool/repltool/internal/lab"
)

// flow is a cluster of three nodes that publishes to one of two.
const flow = `cluster "main" {
  primary = node.pg1
  standbys = [node.pg2, node.pg3]
  parameters = {
    wal_level            = "logical"
    hot_standby_feedback = "on"
    listen_addresses     = "*"
    shared_buffers       = "16MB"
  }
  role "replicator" {
    replication = true
    password    = var.password
  }
` + clientAccess + `}
cluster "warehouse" {
  primary    = node.dw1
  standbys   = [node.dw2]
  parameters = { listen_addresses = "*", shared_buffers = "16MB" }
  role "replicator" {
    replication = true
    password    = var.password
  }
  database "dw" {}
}
`

const flowSubscription = `publication "writes" {
  cluster  = cluster.main
  database = "postgres"
  tables   = ["public.writes"]
  publish  = ["insert"]
}
subscription "writes" {
  cluster      = cluster.warehouse
  database     = "dw"
  publications = [publication.writes]
  failover     = FAILOVER
}
`

// TestSwitchoverLogical moves the publisher's primary there and back under a client's writes, and the
// subscriber's: no row is missing on the subscriber, none is there twice, no slot is left behind, and
// nothing is left to do. The slot is a failover slot; with all versions, another one as well, which
// TestSwitchoverLogicalKilled moves too.
func TestSwitchoverLogical(t *testing.T) {
	slots := []string{"true"}
	if os.Getenv("REPLTOOL_TEST_SUITES") == "all" {
		slots = append(slots, "false")
	}
	for _, suite := range suites() {
		for _, failover := range slots {
			if suite == "bullseye" || suite == "bookworm" {
				continue // a standby has no logical slots there
			}
			t.Run(suite+" failover "+failover, func(t *testing.T) {
				w := newFlow(t, suite, failover)
				w.publisherMoves(1, 2, 3)
				w.publisherMoves(2, 1, 3)
				w.subscriberMoves(4, 5)
				w.subscriberMoves(5, 4)
				w.noSecrets()
			})
		}
	}
}

// TestSwitchoverLogicalKilled has a switchover of a publisher, whose slot is made on the new primary, fail
// before the stop: that slot is gone again. Then repltool is killed in it, as TestSwitchoverKilled does.
func TestSwitchoverLogicalKilled(t *testing.T) {
	w := newFlow(t, "trixie", "false")
	w.takenBack("verify that pg1", func() {})
	w.received(1, 4)
	at := moments{begins, runs, ends}
	if os.Getenv("REPLTOOL_TEST_FAULTS") != "all" {
		w.killedOn(at, 8)
		w.received(2, 4)
		return
	}
	w.killedOn(at, 1)
	w.received(2, 4)
	w.killedBack(at, 1)
	w.received(3, 4)
}

func newFlow(t *testing.T, suite, failover string) *world {
	w := newWorld(t, lab.Options{Hosts: 5, Suites: []string{suite}})
	text := w.nodes("pg1", "pg2", "pg3", "dw1", "dw2") + flow
	w.write("main.hcl", text)
	w.must(0, "apply", "-auto-approve")
	w.sql(1, "CREATE TABLE writes (id bigint PRIMARY KEY); GRANT INSERT ON writes TO client")
	w.in(4, "dw", "CREATE TABLE writes (id bigint, arrived bigserial PRIMARY KEY)") // which shows what comes twice
	w.write("main.hcl", text+strings.Replace(flowSubscription, "FAILOVER", failover, 1))
	w.must(0, "apply", "-auto-approve")
	w.settled()
	return w
}

// publisherMoves moves the primary of cluster.main, whose slot is copied where it is a failover slot.
func (w *world) publisherMoves(from, to, third int) {
	w.t.Helper()
	if strings.Contains(w.read("main.hcl"), "failover     = true") {
		w.expect(to, "SELECT bool_and(synced AND NOT temporary) FROM pg_replication_slots WHERE slot_type = 'logical'", "t")
	}
	c := w.writes()
	w.written(c)
	w.must(0, "switchover", "main", fmt.Sprintf("-to=pg%d", to), "-auto-approve")
	w.written(c)
	if lost := c.lost(to); lost > 0 || len(c.acknowledged) == 0 {
		w.t.Errorf("pg%d to pg%d: %d of %d acknowledged rows are lost", from, to, lost, len(c.acknowledged))
	}
	w.received(to, 4)
	w.expect(to, "SELECT count(*) FROM pg_replication_slots WHERE slot_type = 'logical' AND active", "1")
	for _, i := range []int{from, third} { // copies of failover slots hold no WAL back that the primary does not
		w.expect(i, "SELECT count(*) FROM pg_replication_slots WHERE NOT synced", "0")
	}
	w.expect(to, "SELECT count(*) FROM repltool.managed WHERE object LIKE 'intent%'", "0")
	w.settled()
	w.t.Logf("pg%d to pg%d: %d rows, no write for %s at most", from, to, len(c.acknowledged), c.gap.Round(time.Millisecond))
}

// received expects that host i and the subscriber on host s have the same rows.
func (w *world) received(i, s int) {
	w.t.Helper()
	const ids = "SELECT count(*) || ' ' || coalesce(sum(hashtextextended(id::text, 0)), 0) FROM writes"
	w.expectIn(s, "dw", ids, w.sql(i, ids))
}

// subscriberMoves moves the primary of cluster.warehouse.
func (w *world) subscriberMoves(from, to int) {
	w.t.Helper()
	c := w.writes()
	w.written(c)
	w.must(0, "switchover", "warehouse", fmt.Sprintf("-to=dw%d", to-3), "-auto-approve")
	w.written(c)
	if lost := c.lost(1); lost > 0 {
		w.t.Errorf("%d acknowledged rows are lost", lost)
	}
	w.expect(from, "SELECT pg_is_in_recovery()", "t")
	w.received(1, to)
	w.settled()
}
