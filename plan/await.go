package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/topology"
)

// Waits for standbys. One that has much WAL to catch up with may need hours, and is
// given them while it moves: the limit of such a wait counts from its last progress.

// streaming is the query, for the upstream, that is true once the standby of
// that application_name streams and has flushed all but lag bytes of the
// upstream's WAL; lag 0 does not look at it.
func streaming(name string, lag int64) string {
	q := "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE application_name = " + literal(name) + " AND state = 'streaming'"
	if lag > 0 {
		q += fmt.Sprintf("\n  AND pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, flush_lsn) < %d", lag)
	}
	return q + ")"
}

// syncLag is how far behind a standby may be when commits begin to wait for it.
const syncLag = 16 << 20

// catchingUp is the progress of a standby, as it tells itself: what it received and
// what it replayed. Its own WAL it replays before it asks for more.
func catchingUp(n *topology.Node) *Progress {
	return &Progress{Node: n.Name, Query: "SELECT pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0') + coalesce(pg_wal_lsn_diff(pg_last_wal_receive_lsn(), '0/0'), 0),\n" +
		"  'received ' || coalesce(pg_last_wal_receive_lsn()::text, 'nothing yet') || ', replayed ' || pg_last_wal_replay_lsn()"}
}

// awaitStream waits until a standby streams from up, under that name: where the server
// of up is a new one, and nobody is connected to it from before.
func (s *scope) awaitStream(d *draft, up, n *topology.Node, name string) {
	d.step(up, n.Name+" streaming", Wait{
		Database: maintenance, Query: streaming(name, 0), What: n.Name + " streaming",
		Timeout: streamTimeout + s.delay(n), Progress: catchingUp(n),
	})
}

// awaitReceiver waits until a standby streams by its own account: over a connection with
// these parameters, and not over one that it had before.
func (s *scope) awaitReceiver(d *draft, n *topology.Node, conn map[string]string, slot string) {
	d.step(n, n.Name+" streaming", Wait{
		Database: maintenance, Query: receiving(conn, slot), What: n.Name + " streaming",
		Timeout: streamTimeout + s.delay(n), Progress: catchingUp(n),
	})
}

// awaitNewReceiver is awaitReceiver on a server that has just started: it had no
// connection before.
func (s *scope) awaitNewReceiver(d *draft, n *topology.Node) { s.awaitReceiver(d, n, nil, "") }

// receiverKeys are the connection parameters that a WAL receiver shows as they were given.
func receiverKeys() []string {
	return []string{"host", "port", "user", "passfile", applicationKey, "sslmode", "sslrootcert", "sslcert", "sslkey"}
}

// shownAs answers how each parameter of a connection stands in what the receiver shows.
func shownAs(conn map[string]string) []string {
	var all []string
	for _, key := range receiverKeys() {
		if conn[key] != "" {
			all = append(all, " "+key+"="+conn[key]+" ")
		}
	}
	return all
}

// receiving is the query, for the standby, that is true once its WAL receiver streams with
// these parameters and from that slot. A receiver keeps its connection for as long as
// there is WAL to replay: that the parameters are set says nothing (PostgreSQL's
// StartupRequestWalReceiverRestart).
func receiving(conn map[string]string, slot string) string {
	q := "SELECT EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming'"
	for _, text := range shownAs(conn) {
		q += "\n  AND strpos(' ' || conninfo || ' ', " + literal(text) + ") > 0"
	}
	if slot != "" {
		q += "\n  AND slot_name = " + literal(slot)
	}
	return q + ")"
}

// outdated tells what of a standby's connection is not what its settings say; "" for
// nothing: a receiver that was not replaced yet, or that nobody has made reconnect.
func outdated(server *facts.Server) string {
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
	if conn[applicationKey] == "" && conn["service"] == "" && strings.Contains(shown, " "+applicationKey+"=") {
		return applicationKey
	}
	if slot := server.Settings["primary_slot_name"].Value; slot != "" && slot != r.SlotName {
		return "slot"
	}
	return ""
}

// holdsBack tells of a standby whose replay is delayed or paused. A WAL receiver that
// lost its upstream is started again only when replay has used up what is there: such
// a standby is away for as long as it holds back, and only waited for where its replay
// matters.
func (s *scope) holdsBack(n *topology.Node) bool { return s.delay(n) > 0 || s.paused(n) }

func (s *scope) paused(n *topology.Node) bool {
	f := s.found(n)
	return f.Server != nil && f.Server.Receiver != nil && f.Server.Receiver.ReplayPaused
}

// delay is how long a standby may hold its replay at one place. It does so with its
// own WAL too, before it streams again after a restart.
func (s *scope) delay(n *topology.Node) time.Duration {
	var longest time.Duration
	if sb := s.cluster.Standby(n); sb != nil {
		longest = sb.ApplyDelay
	}
	if f := s.found(n); f.Server != nil {
		const name = "recovery_min_apply_delay"
		longest = max(longest, time.Duration(number(f.Server.Settings[name], f.Server.InForce(name)))*time.Millisecond)
	}
	return longest
}

// awaitFollowers waits, after a restart, for the standbys that streamed from the
// node before it; and, when the node lowered a parameter, for their replay of that.
func (c *paramChange) awaitFollowers(d *draft, lowering bool) {
	if c.scope.portMoves(c.node) {
		c.awaitReturned(d)
		return
	}
	nodes := c.scope.followers(c.node)
	c.wake(d, nodes)
	longest := time.Duration(0)
	var names []string
	for _, n := range nodes {
		names = append(names, c.scope.applicationName(n))
		if lowering || !c.scope.holdsBack(n) {
			c.scope.awaitStream(d, c.node, n, c.scope.applicationName(n))
			longest = max(longest, c.scope.delay(n))
		}
	}
	if lowering && len(names) > 0 {
		awaitReplay(d, c.node, names, longest)
	}
}

// awaitReturned waits for the standbys that look for a server on the port to which it
// returns. The others are repointed, each by a change of its own.
func (c *paramChange) awaitReturned(d *draft) {
	s := c.scope
	for _, sb := range s.repoints(c.node) {
		if !s.repointed(sb) && !s.holdsBack(sb.Node) && !s.lost(sb.Node) {
			d.sql(sb.Node, "reconnect at once", "SELECT pg_reload_conf();")
			s.awaitStream(d, c.node, sb.Node, s.applicationName(sb.Node))
		}
	}
}

// wake makes those of a primary's standbys that commits wait for come back at once: by
// themselves they try every wal_retrieve_retry_interval, and commits hang until then. A
// reload ends that pause (PostgreSQL docs, 20.6.3 "Standby Servers").
func (c *paramChange) wake(d *draft, nodes []*topology.Node) {
	if c.node != c.scope.cluster.Primary {
		return
	}
	set, _ := parseSync(c.scope.syncCurrent())
	for _, n := range nodes {
		if set.has(c.scope.applicationName(n)) {
			d.sql(n, "commits wait for it: reconnect at once", "SELECT pg_reload_conf();")
		}
	}
}

// awaitReplay waits until standbys of a node have replayed all that it did before.
func awaitReplay(d *draft, up *topology.Node, names []string, longest time.Duration) {
	what, who := "standbys replayed the change", "WHERE application_name IN ("+literals(names)+")"
	d.sql(up, "a point in WAL behind the change", "CHECKPOINT;")
	d.step(up, what, Wait{
		Database: maintenance, What: what, Timeout: streamTimeout + longest,
		Query: "SELECT bool_and(replay_lsn > checkpoint_lsn) FROM pg_stat_replication, pg_control_checkpoint()\n" + who,
		Progress: &Progress{Node: up.Name, Query: "SELECT sum(pg_wal_lsn_diff(replay_lsn, '0/0')),\n" +
			"  string_agg(application_name || ' replayed ' || replay_lsn, ', ' ORDER BY application_name) FROM pg_stat_replication\n" + who},
	})
}

// awaitLowered waits, where a standby lowers what its upstream lowered in an earlier
// apply, for the standby's replay of that: with less than the WAL asks for it would not
// start again, and nobody knows that the earlier apply has waited.
func (c *paramChange) awaitLowered(d *draft, restarting map[string]bool) {
	sb := c.scope.cluster.Standby(c.node)
	if sb == nil || len(c.lowers) == 0 || c.scope.lost(c.node) {
		return
	}
	up, name := c.scope.followed(sb), c.scope.applicationName(c.node)
	if !restarting[up.Name] || !slices.Contains(c.scope.followers(up), c.node) {
		awaitReplay(d, up, []string{name}, c.scope.delay(c.node))
	}
}
