package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// Waits for standbys. One that has much WAL to catch up with may need hours, and is
// given them while it moves: the limit of such a wait counts from its last progress.

// awaitFollowers waits, after a restart, for the standbys that streamed from the
// node before it; and, when the node lowered a parameter, for their replay of that.
func (c *paramChange) awaitFollowers(d *draft.Draft, lowering bool) {
	if c.scope.PortMoves(c.node) {
		c.awaitReturned(d)
		return
	}
	nodes := c.scope.Followers(c.node)
	c.wake(d, nodes)
	longest := time.Duration(0)
	var names []string
	for _, n := range nodes {
		names = append(names, c.scope.ApplicationName(n))
		if lowering || !c.scope.HoldsBack(n) {
			draft.AwaitStream(c.scope, d, c.node, n, c.scope.ApplicationName(n))
			longest = max(longest, c.scope.Delay(n))
		}
	}
	if lowering && len(names) > 0 {
		draft.AwaitReplay(d, c.node, names, longest)
	}
	c.awaitUndefined(d)
}

// undefinedTime is how long a restarted server gives standbys that the topology does not define:
// they try every wal_retrieve_retry_interval, which is 5 s unless someone changed it.
const undefinedTime = 15 * time.Second

// awaitUndefined gives the standbys that streamed from the node and are not in the topology time
// to connect again: until then the slot of one is inactive, and commits that wait for it hang,
// so that what comes after the restart, or the next plan, would count it as gone. One that does
// not come back stops nothing: the wait is over when the server has run for that time.
func (c *paramChange) awaitUndefined(d *draft.Draft) {
	var names []string
	senders := c.scope.UndefinedSenders(c.node)
	for _, w := range senders {
		names = append(names, w.ApplicationName)
	}
	if len(names) == 0 {
		return
	}
	slices.Sort(names)
	names = slices.Compact(names)
	query := fmt.Sprintf("SELECT (SELECT count(*) >= %d FROM pg_stat_replication WHERE application_name IN (%s) AND state = 'streaming')\n"+
		"  OR clock_timestamp() > pg_postmaster_start_time() + interval '%d s'", len(senders), pg.Literals(names), int(undefinedTime.Seconds()))
	what := fmt.Sprintf("%s, not in the topology, is streaming, or %s has run for %s", strings.Join(names, ", "), c.node.Name, undefinedTime)
	d.Wait(c.node, what, query, 2*draft.SettleTimeout)
}

// awaitReturned waits for the standbys that look for a server on the port to which it
// returns. The others are repointed, each by a change of its own.
func (c *paramChange) awaitReturned(d *draft.Draft) {
	s := c.scope
	for _, sb := range s.Repoints(c.node) {
		if !s.Repointed(sb) && !s.HoldsBack(sb.Node) && !s.Lost(sb.Node) {
			if s.MayWake(sb.Node) {
				d.SQL(sb.Node, "reconnect at once", "SELECT pg_reload_conf();")
			}
			draft.AwaitStream(s, d, c.node, sb.Node, s.ApplicationName(sb.Node))
		}
	}
}

// wake makes those of a primary's standbys that commits wait for come back at once: by
// themselves they try every wal_retrieve_retry_interval, and commits hang until then. A
// reload ends that pause (PostgreSQL docs, 20.6.3 "Standby Servers").
func (c *paramChange) wake(d *draft.Draft, nodes []*topology.Node) {
	if c.node != c.scope.Goal.Primary {
		return
	}
	set, _ := pg.ParseSync(c.scope.SyncCurrent())
	for _, n := range nodes {
		if set.Has(c.scope.ApplicationName(n)) && c.scope.MayWake(n) {
			d.SQL(n, "commits wait for it: reconnect at once", "SELECT pg_reload_conf();")
		}
	}
}

// awaitLowered waits, where a standby lowers what its upstream lowered in an earlier
// apply, for the standby's replay of that: with less than the WAL asks for it would not
// start again, and nobody knows that the earlier apply has waited.
func (c *paramChange) awaitLowered(d *draft.Draft, restarting map[string]bool) {
	sb := c.scope.Cluster.Standby(c.node)
	if sb == nil || len(c.lowers) == 0 || c.scope.Lost(c.node) {
		return
	}
	up, name := c.scope.Followed(sb), c.scope.ApplicationName(c.node)
	if !restarting[up.Name] || !slices.Contains(c.scope.Followers(up), c.node) {
		draft.AwaitReplay(d, up, []string{name}, c.scope.Delay(c.node))
	}
}
