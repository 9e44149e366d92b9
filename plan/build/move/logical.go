package move

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// Logical replication moves with the primary. Subscriptions and publications are in the data:
// the new primary only has to reach the publishers, with the files that the connections name.
// A logical slot is on the new primary before the old one stops, and begins before the position
// of its consumer (cluster/switchover_logical.go): nothing is skipped, and a subscription, which knows
// its position, gets nothing twice. The stop waits until every walsender has sent everything,
// so consumers must not be far behind.

// SnapshotsScript runs a statement in the background.
//
//go:embed snapshots.sh
var SnapshotsScript string

// twins makes the slots on the new primary that PostgreSQL does not copy there.
func (m *move) twins() {
	slots := m.s.TwinsToMake(m.Switchover)
	if len(slots) > 0 {
		at := len(m.d.Steps)
		var intents, addresses []string
		var rows []cluster.Row
		for _, slot := range slots {
			row := m.s.SlotRow(m.To, slot.Name)
			rows, addresses, intents = append(rows, row), append(addresses, row.Address.String()), append(intents, cluster.Intend(row))
		}
		m.d.SQL(m.From, "record the intent to create", intents...)
		m.d.Wait(m.To, m.To.Name+" has replayed that", "SELECT count(*) = "+strconv.Itoa(len(rows))+" FROM repltool.managed WHERE address IN ("+pg.Literals(addresses)+")", proofLimit)
		m.logSnapshots(addresses)
		for _, slot := range slots {
			m.d.SQLIn(m.To, slot.Database, "create slot", draft.CreateSlotSQL(cluster.WantedSlot{Slot: slot.Slot}))
		}
		m.d.SQL(m.From, "confirm", cluster.Record(rows...))
		m.d.TakesBack(at, func(back *draft.Draft) {
			var gone []topology.Address
			for _, row := range rows {
				gone = append(gone, row.Address)
			}
			back.SQL(m.To, "drop slots", dropSlots(namesOf(slots)...))
			back.SQL(m.From, "remove from the ledger", cluster.Forget(gone...))
		})
	}
	for _, slot := range m.s.TwinsToConfirm(m.Switchover) {
		m.d.SQL(m.From, "confirm", cluster.Record(m.s.SlotRow(m.To, slot.Name)))
	}
}

// logSnapshots has the old primary log which transactions run, until the slots are confirmed: a
// standby cannot begin to decode before that is replayed, and by itself a primary logs it
// once in 15 seconds, and not at all while nothing is written (PostgreSQL docs, 9.28.4
// "Recovery Control Functions").
func (m *move) logSnapshots(addresses []string) {
	h := m.s.Found(m.From).Host
	m.d.Step(m.From, "log which transactions run, in the background, until the slots are there", plan.Command{
		Argv: []string{
			"sh", "-c", SnapshotsScript, "sh", cluster.Binary(h, "psql"), m.local(m.From),
			"DO $$DECLARE ends timestamptz := clock_timestamp() + interval '10 min';\nBEGIN\n" +
				"  WHILE clock_timestamp() < ends AND EXISTS (SELECT FROM repltool.managed WHERE address IN (" + pg.Literals(addresses) + ") AND object LIKE 'intent at %') LOOP\n" +
				"    PERFORM pg_log_standby_snapshot();\n    PERFORM pg_sleep(0.1);\n  END LOOP;\nEND$$;",
		},
		Timeout: draft.SettleTimeout,
	})
}

// local is the connection of a node's machine to its own server.
func (m *move) local(n *topology.Node) string {
	return pg.FormatConnInfo(map[string]string{"host": m.s.Found(n).Host.SocketDir, "port": strconv.Itoa(m.s.PortInForce(n)), "dbname": pg.Maintenance})
}

func namesOf(slots []facts.Slot) []string {
	var names []string
	for _, slot := range slots {
		names = append(names, slot.Name)
	}
	return names
}

// relaxSynced keeps logical replication from waiting for slots of standbys that go under the
// new primary.
func (m *move) relaxSynced() {
	before, while := m.s.SyncedOnFrom(m.Switchover)
	if before == while {
		return
	}
	m.d.Differ(cluster.SyncedSlots, plan.Ptr(pg.Literal(before)), plan.Ptr(pg.Literal(while)), "on "+m.From.Name+", until it stops: the others use slots of "+m.To.Name+" by then")
	m.set(m.From, cluster.SyncedSlots, while, "subscribers must not wait for standbys that move", "subscribers wait as before")
}

// awaitConsumers sees that no consumer has to skip anything, and that the stop waits for none.
func (m *move) awaitConsumers() {
	if names := namesOf(m.s.CopiedSlots(m.Switchover)); len(names) > 0 {
		m.gate(m.To, "the copies of its failover slots are whole", "subscribers would lose what was written before the promotion",
			fmt.Sprintf("SELECT count(*) = %d FROM pg_replication_slots WHERE slot_name IN (%s)\n  AND synced AND NOT temporary AND wal_status <> 'lost'", len(names), pg.Literals(names)))
	}
	if names := namesOf(m.s.TwinSlots(m.Switchover)); len(names) > 0 {
		slots := "pg_replication_slots WHERE slot_name IN (" + pg.Literals(names) + ")"
		m.gate(m.To, "the slots on it have all WAL", "subscribers would lose what was written before the promotion",
			fmt.Sprintf("SELECT count(*) = %d FROM %s AND confirmed_flush_lsn IS NOT NULL AND wal_status <> 'lost'", len(names), slots))
		m.d.Step(m.To, "read where the slots on "+m.To.Name+" begin", plan.Command{
			Argv:    []string{cluster.Binary(m.s.Found(m.To).Host, "psql"), "-X", "-w", "-A", "-t", "-c", "SELECT max(confirmed_flush_lsn) FROM " + slots, m.local(m.To)},
			Timeout: draft.SettleTimeout, Prints: beginsVar,
		})
		m.gate(m.From, "all consumers of its slots past that position", "they would lose what was written before it",
			"SELECT bool_and(confirmed_flush_lsn >= :'"+beginsVar+"') FROM "+slots)
	}
	if len(m.s.LogicalSlots(m.Switchover)) > 0 {
		m.gate(m.From, "all consumers of its logical slots less than 16MB behind", "the shutdown would wait for them, and writes with it",
			fmt.Sprintf("SELECT NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_type = 'logical' AND active\n  AND pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn) >= %d)", draft.SyncLag))
	}
}

// beginsVar is the WAL position after which all slots that the move made on the new primary send.
const beginsVar = "slots_begin"

func (m *move) gate(n *topology.Node, what, otherwise, query string) {
	m.d.Step(n, "gate", plan.Wait{Database: pg.Maintenance, Gate: true, Timeout: proofLimit, What: n.Name + ": " + what, Else: otherwise, Query: query})
}

// leftoverSQL drops logical slots on a server that has become a standby, where a subscriber that
// was not repointed yet may come back to them. What PostgreSQL copies from the new primary stays.
func leftoverSQL(names []string) string {
	slots := "FROM pg_replication_slots s WHERE slot_name IN (" + pg.Literals(names) + ") AND coalesce(to_jsonb(s)->>'synced', 'false') = 'false'"
	return "DO $$BEGIN\n  WHILE EXISTS (SELECT " + slots + ") LOOP\n    BEGIN\n" +
		"      PERFORM pg_terminate_backend(active_pid) " + slots + " AND active;\n" +
		"      PERFORM pg_drop_replication_slot(slot_name) " + slots + " AND NOT active;\n" +
		"    EXCEPTION WHEN object_in_use THEN NULL; -- it came back in between\n    END;\n" +
		"    PERFORM pg_sleep(0.05);\n  END LOOP;\nEND$$;"
}

// settleLogical takes from the old primary what only a primary has of logical replication.
func (m *move) settleLogical() {
	if names := namesOf(m.s.LogicalSlots(m.Switchover)); len(names) > 0 {
		m.d.SQL(m.From, "drop the logical slots, which "+m.To.Name+" has now", leftoverSQL(names))
	}
	if m.s.ListsSlots(m.Switchover) {
		m.d.SQL(m.From, "a standby has no subscribers to hold back", draft.ResetSystem(cluster.SyncedSlots))
		m.d.Reload(m.From)
	}
}

// found is a subscription of the cluster that moves, in the topology or not.
type found struct {
	database string
	*facts.Subscription
}

// subscriptions returns those of the old primary that were read.
func subscriptions(s *cluster.Cluster, w *cluster.Switchover) []found {
	var all []found
	for _, database := range s.ReadDatabases() {
		subs := s.Found(w.From).Server.Logical[database].Subscriptions
		for i := range subs {
			all = append(all, found{database, &subs[i]})
		}
	}
	return all
}

// publishers has the new primary's machine log in where the subscriptions connect to, with the
// files that their connections name. Of one whose password is in the connection it only sees
// that the publisher can be reached.
func (m *move) publishers() {
	var seen []string
	for _, sub := range subscriptions(m.s, m.Switchover) {
		conn := maps.Clone(conninfo.Map(sub.ConnInfo.Reveal()))
		conn["connect_timeout"] = "10"
		h, publisher := m.s.Found(m.To).Host, conn["host"]
		argv := []string{cluster.Binary(h, "psql"), "-X", "-w", "-A", "-t", "-c", "IDENTIFY_SYSTEM"}
		if conn["password"] != "" || conn["sslpassword"] != "" {
			delete(conn, "password")
			delete(conn, "sslpassword")
			argv = []string{cluster.Binary(h, "pg_isready"), "-q", "-d", pg.FormatConnInfo(conn)}
		} else {
			argv = append(argv, pg.FormatConnInfo(conn)+" replication=database")
		}
		if text := strings.Join(argv, " "); !sub.Options.Enabled || slices.Contains(seen, text) {
			continue
		} else {
			seen = append(seen, text)
		}
		m.d.Step(m.To, m.To.Name+" reaches "+publisher+", from which subscription "+pg.Ident(sub.Name)+" receives", plan.Command{
			Argv: argv, Timeout: draft.SettleTimeout,
			Remedy: fmt.Sprintf("Once %s is the primary, subscription %s connects from there. The publisher must accept its address (pg_hba.conf), and the files that the connection names, "+
				"such as passfile and sslrootcert, must exist on %s.", m.To.Name, pg.Ident(sub.Name), m.To.Name),
		})
	}
}

// awaitSubscriptions waits until the subscriptions that received before receive on the new primary.
func (m *move) awaitSubscriptions() {
	var oids []string
	for _, sub := range subscriptions(m.s, m.Switchover) {
		if sub.Worker != nil && sub.Options.Enabled && !m.receivesFromItself(sub) {
			oids = append(oids, strconv.FormatInt(sub.OID, 10))
		}
	}
	if len(oids) == 0 {
		return
	}
	m.d.Wait(m.To, "its subscriptions receive again", "SELECT NOT EXISTS (SELECT FROM pg_subscription s WHERE s.oid IN ("+strings.Join(oids, ", ")+") AND s.subenabled\n"+
		"  AND NOT EXISTS (SELECT FROM pg_stat_subscription w WHERE w.subid = s.oid AND w.relid IS NULL AND w.received_lsn IS NOT NULL))", draft.StreamTimeout)
}

// receivesFromItself reports whether a subscription's publisher is the cluster that moves: it is
// repointed first.
func (m *move) receivesFromItself(sub found) bool {
	n := m.s.PublisherOf(sub.Subscription)
	return n != nil && slices.Contains(m.s.Cluster.Members(), n)
}
