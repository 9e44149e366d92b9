package plan

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/topology"
)

// The order of restarts: standbys before their primary, the leaves of a cascade
// first, one at a time, each and who follows it streaming again before the next goes
// down. Where a hot-standby parameter is lowered the primary goes first, and the
// standbys follow, once they have replayed the change, down the cascade (PostgreSQL docs, 27.4.3).
// A standby that keeps as much as the primary has, though it lowers, fits either order.

// orderRestarts makes a draft of every change and puts them in that order.
func orderRestarts(s *scope, changes []*paramChange, out *findings) {
	raises, lowers := classes(changes)
	down := slices.ContainsFunc(changes, func(c *paramChange) bool { return c.behind }) || len(raises) == 0 && len(lowers) > 0
	if down && len(raises) > 0 {
		out.fail(s.cluster.Range, "Raised and lowered in one apply",
			"%s would be raised and %s lowered. Standbys must restart first for the one and last for the other, and no node restarts twice in an apply. Raise first, apply, then lower.",
			strings.Join(raises, ", "), strings.Join(lowers, ", "))
		return
	}
	if len(lowers) > 0 {
		refusePaused(s, lowers, out)
		refusePortToo(s, changes, lowers, out)
		refuseCopying(s, lowers, out)
	}
	sort.SliceStable(changes, func(i, j int) bool {
		a, b := s.depth(changes[i].node), s.depth(changes[j].node)
		if down {
			return a < b
		}
		return a > b
	})
	var previous topology.Address
	restarting := map[string]bool{}
	for _, c := range changes { // an upstream comes first where a parameter is lowered
		d := c.draft(down, restarting)
		if c.restart {
			if !previous.IsZero() {
				d.after = append(d.after, previous)
			}
			previous, restarting[c.node.Name] = d.Address, true
		}
		out.put(d)
	}
}

// refusePaused refuses to lower what a standby must replay first and does not.
func refusePaused(s *scope, lowers []string, out *findings) {
	for _, sb := range s.cluster.Standbys {
		if s.paused(sb.Node) {
			out.fail(sb.Range, "Replay is paused",
				"%s has paused its replay, and has to replay that %s is lowered before it restarts. Resume it on %s (SELECT pg_wal_replay_resume()), then plan again.",
				sb.Node.Name, strings.Join(lowers, ", "), sb.Node.Name)
		}
	}
}

// refusePortToo refuses to lower, in one apply, what the followers of a server must replay
// from it first, and to restart it where they do not find it.
func refusePortToo(s *scope, changes []*paramChange, lowers []string, out *findings) {
	for _, c := range changes {
		if n := c.node; s.portMoves(n) && len(s.repoints(n)) > 0 {
			out.fail(n.Range, "Another port and a lowered parameter in one apply",
				"%s restarts on port %d in place of %d, and %s would be lowered: its standbys must replay that before they restart, and are repointed after it. Lower first, apply, then change the port.",
				n.Name, n.Port, s.portInForce(n), strings.Join(lowers, ", "))
		}
	}
}

// classes answers the hot-standby parameters that some node raises or lowers.
func classes(changes []*paramChange) (raises, lowers []string) {
	up, down := map[string]bool{}, map[string]bool{}
	for _, c := range changes {
		for _, name := range c.raises {
			up[name] = true
		}
		for _, name := range c.lowers {
			down[name] = true
		}
	}
	return sortedKeys(up), sortedKeys(down)
}

// depth is 0 for the primary, 1 for what follows it, and so on.
func (s *scope) depth(n *topology.Node) int {
	d := 0
	for sb := s.cluster.Standby(n); sb != nil && d <= len(s.cluster.Standbys); sb = s.cluster.Standby(sb.Upstream) {
		d++
	}
	return d
}

// draft writes the change's steps.
func (c *paramChange) draft(lowering bool, restarting map[string]bool) *draft {
	s, n := c.scope, c.node
	d := newDraft(Update, s.parametersAddress(n), n)
	d.Attributes = c.diffs
	if len(c.diffs) == 0 {
		d.Reason = c.reason()
	}
	c.awaitLowered(d, restarting)
	if c.write {
		d.step(n, "write the block", s.confFile(n, c.lines, c.found.Host.Conf.Text))
	}
	for _, name := range c.reset {
		d.sql(n, "take the override away", "ALTER SYSTEM RESET "+ident(name)+";")
	}
	if c.restart {
		if s.portMoves(n) {
			d.brings = s.followThePort(n)
		}
		c.raisePast(d)
		d.after = append(d.after, c.scope.loginAddresses()...)
		c.addRestart(d, lowering)
	} else {
		d.worsen(Reload)
		d.reload(n)
	}
	if q := c.verifyQuery(); q != "" {
		d.wait(n, "values in force", q, settleTimeout)
	}
	return d
}

// reason tells why there is work though no value differs.
func (c *paramChange) reason() string {
	switch {
	case c.write && !c.scope.confBlock(c.found.Host).found():
		return "the block is not there yet; no value changes"
	case c.write && c.scope.confBlock(c.found.Host).renamed():
		return "the block gets the cluster's new name; no value changes"
	case c.write:
		return "the block was edited or moved; no value changes"
	default:
		return "the server has not taken the file's values yet"
	}
}

// addRestart restarts the node and waits until replication is as it was.
func (c *paramChange) addRestart(d *draft, lowering bool) {
	s, n := c.scope, c.node
	d.worsen(Restart)
	d.restarts = append(d.restarts, n.Name)
	s.checkStart(d, n)
	standby := s.cluster.Standby(n)
	relaxed, full := s.relaxed(n)
	if standby != nil && relaxed != full {
		d.Effect = "commits do not wait for " + n.Name + " meanwhile"
		s.relax(d, "commits must not wait for "+n.Name, relaxed, full)
	}
	s.awaitBackups(d, n)
	d.restart(n, c.found.Host)
	s.awaitStart(d, n)
	if standby != nil && !s.lost(n) && !s.lockedOut(standby) && (lowering || !s.holdsBack(n)) && !s.strays(standby) {
		s.awaitNewReceiver(d, n)
	}
	if standby != nil && relaxed != full {
		s.awaitSet(d, n, full)
		s.unrelax(d, full)
	}
	if standby == nil {
		d.Effect = "writes stop"
	}
	c.awaitFollowers(d, lowering)
}

// strays tells of a standby that does not stream, and that a later change of this plan
// gives another upstream, address or port: its restart alone does not help.
func (s *scope) strays(sb *topology.Standby) bool {
	r := s.found(sb.Node).Server.Receiver
	return s.repointed(sb) && (r == nil || r.Status != "streaming")
}

// followers are the standbys of the cluster that stream from n and are to stream from it
// after this plan or go on their own way behind it. Only they are waited for: who left the
// topology, or was never in it, may have no way back in (its rule and its password may
// have changed in this very plan); one that is cloned again is stopped in it.
func (s *scope) followers(n *topology.Node) []*topology.Node {
	server := s.found(n).Server
	if server == nil {
		return nil
	}
	var nodes []*topology.Node
	for _, sb := range s.cluster.Standbys {
		up := s.upstreamOf(s.found(sb.Node))
		if s.recloned(sb.Node) || !s.running(sb.Node) || s.lockedOut(sb) || up != nil && up != n {
			continue
		}
		w := s.senderOf(sb, n)
		if w != nil && w.State == "streaming" && !w.Copies() && !decodes(server, *w) {
			nodes = append(nodes, sb.Node)
		}
	}
	slices.SortFunc(nodes, func(a, b *topology.Node) int { return strings.Compare(s.applicationName(a), s.applicationName(b)) })
	return nodes
}

// lockedOut tells of a standby that logs in in another way after this plan: with its
// connection as it is it may not come back.
func (s *scope) lockedOut(sb *topology.Standby) bool {
	f := s.found(sb.Node)
	if f.Server == nil || !f.Server.InRecovery {
		return false
	}
	diffs := s.connDiffers(conninfo.Map(f.Server.ConnInfo.Reveal()), s.connInfo(sb), sb)
	return slices.Contains(diffs, "passfile") || slices.Contains(diffs, "user")
}

// decodes tells that a WAL sender serves a logical slot.
func decodes(server *facts.Server, sender facts.Sender) bool {
	slot := server.Slot(sender.SlotName)
	return slot != nil && slot.Type == topology.SlotLogical
}

// reload makes the server read its files.
func (d *draft) reload(n *topology.Node) { d.sql(n, "reload", "SELECT pg_reload_conf();") }

// verifyQuery is true once the server uses the wanted values; "" when none can be
// told that way: strings may come back rewritten, secrets must not be asked for.
func (c *paramChange) verifyQuery() string {
	var pairs []string
	for _, l := range c.lines {
		setting := c.found.Server.Settings[l.name]
		v, err := normalise(setting, l.value)
		plain := setting.VarType == "bool" || setting.VarType == "integer" || setting.VarType == "enum"
		if plain && err == nil && !l.secret.IsSet() && differs(c.diffs, l.name) && !sessionOwn(setting) {
			pairs = append(pairs, "("+literal(l.name)+", "+literal(v)+")")
		}
	}
	if len(pairs) == 0 {
		return ""
	}
	return fmt.Sprintf("SELECT count(*) = %d FROM pg_settings\nWHERE (name, setting) IN (%s) AND NOT pending_restart", len(pairs), strings.Join(pairs, ", "))
}

// sessionOwn tells that the value our sessions see is not the server's.
func sessionOwn(setting facts.Setting) bool {
	switch setting.Source {
	case "client", "session", "database", "user", "database user":
		return true
	}
	return false
}

func differs(diffs []Attribute, name string) bool {
	return slices.ContainsFunc(diffs, func(a Attribute) bool { return a.Name == name })
}

func sortedKeys[V any](set map[string]V) []string {
	return slices.Sorted(maps.Keys(set))
}
