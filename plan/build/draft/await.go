package draft

import (
	"fmt"
	"strings"
	"time"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// Streaming is the query, for the upstream, that is true once the standby of
// that application_name streams and has flushed all but lag bytes of the
// upstream's WAL; lag 0 does not look at it.
func Streaming(name string, lag int64) string {
	q := "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE application_name = " + pg.Literal(name) + " AND state = 'streaming'"
	if lag > 0 {
		q += fmt.Sprintf("\n  AND pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, flush_lsn) < %d", lag)
	}
	return q + ")"
}

// SyncLag is how far behind a standby may be when commits begin to wait for it.
const SyncLag = 16 << 20

// CatchingUp is the query for the progress of a standby by its own account: what it received
// and what it replayed. Before it requests more, it replays the WAL that it has.
const CatchingUp = "SELECT pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0') + coalesce(pg_wal_lsn_diff(pg_last_wal_receive_lsn(), '0/0'), 0),\n" +
	"  'received ' || coalesce(pg_last_wal_receive_lsn()::text, 'nothing yet') || ', replayed ' || pg_last_wal_replay_lsn()"

func catchingUp(n *topology.Node) *plan.Progress {
	return &plan.Progress{Node: n.Name, Query: CatchingUp}
}

// AwaitStream waits until a standby streams from up, under that name: where the server
// of up is a new one, and nobody is connected to it from before.
func AwaitStream(s *cluster.Cluster, d *Draft, up, n *topology.Node, name string) {
	d.Step(up, n.Name+" is streaming", plan.Wait{
		Database: pg.Maintenance, Query: Streaming(name, 0), What: n.Name + " is streaming",
		Timeout: StreamTimeout + s.Delay(n), Progress: catchingUp(n),
	})
}

// AwaitReceiver waits until a standby streams by its own account: over a connection with
// these parameters, and not over one that it had before.
func AwaitReceiver(s *cluster.Cluster, d *Draft, n *topology.Node, conn map[string]string, slot string) {
	d.Step(n, n.Name+" is streaming", plan.Wait{
		Database: pg.Maintenance, Query: receiving(conn, gone(s, n, conn), slot), What: n.Name + " is streaming",
		Timeout: StreamTimeout + s.Delay(n), Progress: catchingUp(n),
	})
}

// AwaitLateReceiver is the same for a standby that delays its replay: it keeps the connection that
// it has until it has replayed what it has received, which nobody waits for.
func AwaitLateReceiver(s *cluster.Cluster, d *Draft, n *topology.Node, conn map[string]string, slot string) {
	what := n.Name + " is streaming, or has WAL left to replay"
	d.Step(n, what, plan.Wait{
		Database: pg.Maintenance, What: what, Timeout: StreamTimeout, Progress: catchingUp(n),
		Query: receiving(conn, gone(s, n, conn), slot) + "\n  OR pg_last_wal_replay_lsn() < pg_last_wal_receive_lsn()",
	})
}

// AwaitNewReceiver is AwaitReceiver on a server that has just started: it had no
// connection before.
func AwaitNewReceiver(s *cluster.Cluster, d *Draft, n *topology.Node) {
	AwaitReceiver(s, d, n, nil, "")
}

// receiverKeys are the connection parameters that a WAL receiver shows as they were given.
func receiverKeys() []string {
	return []string{"host", "port", "user", "passfile", cluster.ApplicationKey, "sslmode", "sslrootcert", "sslcert", "sslkey"}
}

// shownAs returns how each parameter of a connection stands in what the receiver shows.
func shownAs(conn map[string]string) []string {
	var all []string
	for _, key := range receiverKeys() {
		if conn[key] != "" {
			all = append(all, " "+key+"="+conn[key]+" ")
		}
	}
	return all
}

// gone are the parameters that a standby's connection has and the new one does not: by
// hostaddr it may have connected to another server than the one that both name.
func gone(s *cluster.Cluster, n *topology.Node, conn map[string]string) []string {
	if conn == nil || conn["hostaddr"] != "" || s.ConnNow(n)["hostaddr"] == "" {
		return nil
	}
	return []string{"hostaddr"}
}

// receiving is the query, for the standby, that is true once its WAL receiver streams with
// these parameters, without those that are gone, and from that slot. A receiver keeps its connection for as long as
// there is WAL to replay: that the parameters are set says nothing (PostgreSQL's
// StartupRequestWalReceiverRestart).
func receiving(conn map[string]string, gone []string, slot string) string {
	q := "SELECT EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming'"
	for _, text := range shownAs(conn) {
		q += "\n  AND strpos(' ' || conninfo || ' ', " + pg.Literal(text) + ") > 0"
	}
	for _, key := range gone {
		q += "\n  AND strpos(' ' || conninfo, " + pg.Literal(" "+key+"=") + ") = 0"
	}
	if slot != "" {
		q += "\n  AND slot_name = " + pg.Literal(slot)
	}
	return q + served + ")"
}

// served is the condition that a WAL receiver has got something over its connection, or has
// held it for a while. An upstream that has removed the WAL that is asked for ends the
// connection at once, and until then it shows as streaming. Both times are the same until the
// first message (PostgreSQL's WalReceiverMain).
const served = "\n  AND (last_msg_send_time IS DISTINCT FROM last_msg_receipt_time OR clock_timestamp() - last_msg_receipt_time > '5s')"

// Outdated returns which part of a standby's connection differs from its settings, because its
// receiver has not reconnected yet; "" for none.
func Outdated(server *facts.Server) string {
	r := server.Receiver
	if r == nil || r.Status != "streaming" || r.ConnInfo == "" {
		return ""
	}
	conn := conninfo.Map(server.ConnInfo.Reveal())
	shown := " " + r.ConnInfo + " "
	for _, text := range shownAs(conn) {
		if !strings.Contains(shown, text) {
			key, _, _ := strings.Cut(strings.TrimSpace(text), "=")
			return key
		}
	}
	if conn[cluster.ApplicationKey] == "" && conn["service"] == "" && strings.Contains(shown, " "+cluster.ApplicationKey+"=") {
		return cluster.ApplicationKey
	}
	if slot := server.Settings["primary_slot_name"].Value; slot != "" && slot != r.SlotName {
		return "slot"
	}
	return ""
}

// AwaitOwnReplay waits until a standby has replayed what a query on it shows.
func AwaitOwnReplay(s *cluster.Cluster, d *Draft, n *topology.Node, what, query string) {
	what = n.Name + " has replayed " + what
	d.Step(n, what, plan.Wait{
		Database: pg.Maintenance, Query: query, What: what,
		Timeout: StreamTimeout + s.Delay(n), Progress: catchingUp(n),
	})
}

// AwaitReplay waits until standbys of a node have replayed all that it did before.
func AwaitReplay(d *Draft, up *topology.Node, names []string, longest time.Duration) {
	what, who := "standbys replayed the change", "WHERE application_name IN ("+pg.Literals(names)+")"
	d.SQL(up, "mark a position in WAL after the change", "CHECKPOINT;")
	d.Step(up, what, plan.Wait{
		Database: pg.Maintenance, What: what, Timeout: StreamTimeout + longest,
		Query: "SELECT bool_and(replay_lsn > checkpoint_lsn) FROM pg_stat_replication, pg_control_checkpoint()\n" + who,
		Progress: &plan.Progress{Node: up.Name, Query: "SELECT sum(pg_wal_lsn_diff(replay_lsn, '0/0')),\n" +
			"  string_agg(application_name || ' replayed ' || replay_lsn, ', ' ORDER BY application_name) FROM pg_stat_replication\n" + who},
	})
}
