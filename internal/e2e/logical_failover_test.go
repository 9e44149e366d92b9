package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/repltool/repltool/internal/lab"
)

const failoverPair = `cluster "orders" {
  primary    = node.PRIMARY
  standbys   = [STANDBYS]
  parameters = { wal_level = "logical", listen_addresses = "*", shared_buffers = "16MB" }
  role "replicator" {
    replication = true
    password    = var.password
  }
  database "shop" {}
SLOT
}
cluster "warehouse" {
  primary    = node.dw1
  parameters = { shared_buffers = "16MB" }
  database "dw" {}
}
`

const failoverFlow = `publication "orders" {
  cluster  = cluster.orders
  database = "shop"
  tables   = ["public.orders"]
}
subscription "orders" {
  cluster      = cluster.warehouse
  database     = "dw"
  publications = [publication.orders]
  failover     = FAILOVER
}
`

const cdcSlot = `  slot "cdc" {
    type     = "logical"
    database = "shop"
    failover = true
  }
`

type failoverWorld struct{ *world }

// declare writes the topology, with pg2 or without, with the slot block or without,
// and the subscription if failover is not "".
func (w *failoverWorld) declare(standby bool, slot, failover string) {
	w.t.Helper()
	standbys := ""
	if standby {
		standbys = "node.pg2"
	}
	w.under("pg1", standbys, slot, failover)
}

// under writes the topology with that primary.
func (w *failoverWorld) under(primary, standbys, slot, failover string) {
	w.t.Helper()
	text := w.nodes("pg1", "pg2", "dw1") + strings.NewReplacer("PRIMARY", primary, "STANDBYS", standbys, "SLOT", slot).Replace(failoverPair)
	if failover != "" {
		text += strings.Replace(failoverFlow, "FAILOVER", failover, 1)
	}
	w.write("main.hcl", text)
}

// TestFailoverSlots has a subscription's slot and a client's copied to a standby:
// switched on, off and on again in place, and the standby taken away, with a writer
// that watches how far behind the subscriber ever is.
func TestFailoverSlots(t *testing.T) {
	w := &failoverWorld{newWorld(t, lab.Options{Hosts: 3, Suites: []string{"trixie"}})}
	w.declare(true, "", "")
	w.must(0, "apply", "-auto-approve")
	const table = "CREATE TABLE orders (id bigint PRIMARY KEY, note text)"
	w.in(1, "shop", table+"; INSERT INTO orders SELECT n FROM generate_series(1, 1000) n")
	w.in(3, "dw", table)

	w.declare(true, "", "true")
	r := w.must(0, "apply", "-auto-approve")
	w.says(r, "synchronized_standby_slots", "sync_replication_slots", "dbname=postgres")
	w.settled()
	w.copied("orders")
	oid := w.in(3, "dw", "SELECT oid FROM pg_subscription")
	w.expect(1, "SHOW synchronized_standby_slots", "pg2")
	w.expect(2, "SELECT bool_and(setting = 'on') FROM pg_settings WHERE name IN ('sync_replication_slots', 'hot_standby_feedback')", "t")

	stop := w.writing()
	w.declare(true, cdcSlot, "false") // off in place, and a client's slot that wants it
	w.must(0, "apply", "-auto-approve")
	w.settled()
	w.expect(1, "SELECT string_agg(slot_name || ' ' || failover, ', ' ORDER BY slot_name) FROM pg_replication_slots WHERE slot_type = 'logical'", "cdc true, orders false")
	quit := w.client()
	w.copied("cdc")
	quit()

	w.declare(true, cdcSlot, "true") // and on again
	w.must(0, "apply", "-auto-approve")
	w.settled()
	w.copied("orders")

	w.declare(false, cdcSlot, "true") // the standby leaves: first from the list, then its slot
	w.exec(2, "pg_ctlcluster", "17", "main", "stop")
	w.must(0, "apply", "-auto-approve", "-allow=drop")
	w.settled()
	w.expect(1, "SHOW synchronized_standby_slots", "")
	w.expect(1, "SELECT count(*) FROM pg_replication_slots WHERE slot_type = 'physical'", "0")
	stop()
	w.expectIn(3, "dw", sum("orders", "true"), w.in(1, "shop", sum("orders", "true")))
	w.failsOver()
	if now := w.in(3, "dw", "SELECT oid FROM pg_subscription"); now != oid {
		t.Errorf("the subscription was made anew: oid %s, then %s", oid, now)
	}
	w.under("pg2", "node.pg1", "", "") // the slots came along, and are repltool's to drop
	w.must(0, "apply", "-auto-approve", "-allow=drop")
	w.settled()
	w.expect(2, "SELECT count(*) FROM pg_replication_slots WHERE slot_type = 'logical'", "0")
	w.noSecrets()
}

// failsOver lets pg2 come back as the standby, lose its primary and take its place: the
// subscription follows by its slot, in one apply, which clones pg1 behind pg2.
func (w *failoverWorld) failsOver() {
	w.t.Helper()
	w.declare(true, cdcSlot, "true")
	w.must(0, "apply", "-auto-approve", "-allow=reclone", "-replace=cluster.orders.standby.pg2")
	w.settled()
	w.copied("orders")
	w.in(1, "shop", "INSERT INTO orders SELECT n FROM generate_series(2000001, 2001000) n")
	w.expectIn(3, "dw", "SELECT count(*) FROM orders WHERE id > 2000000", "1000")
	w.exec(1, "pg_ctlcluster", "17", "main", "stop", "-m", "immediate")
	w.sql(2, "SELECT pg_promote()")
	w.in(2, "shop", "INSERT INTO orders SELECT n FROM generate_series(2001001, 2002000) n")
	w.says(w.must(1, "plan"), "pg2 is a live primary, but the topology says pg1")
	w.under("pg2", "node.pg1", cdcSlot, "true")
	w.must(0, "apply", "-auto-approve", "-allow=reclone,recreate,discard", "-replace=cluster.orders.standby.pg1") // the client's slot was not copied
	w.settled()
	w.expectIn(3, "dw", sum("orders", "true"), w.in(2, "shop", sum("orders", "true")))
}

// copied expects the slot on the standby, fit to be used after a failover.
func (w *failoverWorld) copied(slot string) {
	w.t.Helper()
	w.reaches(server{2, 5432, "postgres"}, "SELECT format('synced %s failover %s temporary %s invalid %s', synced, failover, temporary, invalidation_reason IS NOT NULL) FROM pg_replication_slots WHERE slot_name = '"+slot+"'",
		"synced t failover t temporary f invalid f")
}

// client reads slot cdc without a pause: its copy stays temporary until the client has
// come as far as where the copy began.
func (w *failoverWorld) client() (quit func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-end:
				return
			case <-time.After(100 * time.Millisecond):
				w.in(1, "shop", "SELECT pg_log_standby_snapshot(); SELECT count(*) FROM pg_logical_slot_get_binary_changes('cdc', NULL, NULL, 'proto_version', '1', 'publication_names', 'orders')")
			}
		}
	}()
	return func() { close(end); <-ended }
}

// writing inserts without a pause and, after each row, measures how long the
// subscriber takes to have it; stop reports a row that took too long.
func (w *failoverWorld) writing() (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	worst, rows := time.Duration(0), 0
	go func() {
		defer close(ended)
		for n := 1_000_000; ; n++ {
			select {
			case <-end:
				return
			default:
			}
			begin := time.Now()
			if _, err := w.host(1).SQLOn(w.t.Context(), 5432, "shop", fmt.Sprintf("INSERT INTO orders VALUES (%d)", n)); err != nil {
				w.t.Errorf("writer: %v", err)
				return
			}
			w.expectIn(3, "dw", fmt.Sprintf("SELECT count(*) FROM orders WHERE id = %d", n), "1")
			worst, rows = max(worst, time.Since(begin)), rows+1
		}
	}()
	return func() {
		close(end)
		<-ended
		w.t.Logf("%d rows; the slowest was on the subscriber after %v", rows, worst.Round(time.Millisecond))
		if worst > 30*time.Second || rows == 0 {
			w.t.Errorf("the subscriber stalled: %d rows, the slowest took %v", rows, worst)
		}
	}
}
