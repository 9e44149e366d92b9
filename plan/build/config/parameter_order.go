package config

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// The order of restarts: standbys before their primary, the leaves of a cascade
// first, one at a time, each and who follows it streaming again before the next goes
// down. Where a hot-standby parameter is lowered the primary goes first, and the
// standbys follow, once they have replayed the change, down the cascade (PostgreSQL docs, 27.4.3).
// A standby that keeps as much as the primary has, though it lowers, fits either order.

// Parameters compares every node that runs.
func Parameters(s *cluster.Cluster, out *draft.Findings) {
	var changed []*paramChange
	for _, n := range s.Cluster.Members() {
		if !s.Running(n) || s.Recloned(n) {
			continue
		}
		c := compareParameters(s, n, out)
		if c.needed() {
			changed = append(changed, c)
		} else {
			out.Unchanged++
		}
	}
	orderRestarts(s, changed, out)
}

// orderRestarts makes a draft of every change and puts them in that order.
func orderRestarts(s *cluster.Cluster, changes []*paramChange, out *draft.Findings) {
	raises, lowers := classes(changes)
	down := slices.ContainsFunc(changes, func(c *paramChange) bool { return c.behind }) || len(raises) == 0 && len(lowers) > 0
	if down && len(raises) > 0 {
		out.Fail(s.Cluster.Range, "Parameters raised and lowered in one apply",
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
		a, b := s.Depth(changes[i].node), s.Depth(changes[j].node)
		if down {
			return a < b
		}
		return a > b
	})
	refuseLogins(s, changes, out)
	var previous topology.Address
	restarting := map[string]bool{}
	for i, c := range changes { // an upstream comes first where a parameter is lowered
		d := c.draft(down, restarting)
		if c.restart {
			if !previous.IsZero() {
				d.After = append(d.After, previous)
			}
			d.Needs = append(d.Needs, c.limitsFirst(changes[:i])...)
			previous, restarting[c.node.Name] = d.Address, true
		}
		out.Put(d)
	}
}

// limitsFirst are those of the restarts before this one without which a standby would stop:
// all that raise a limit where the member raises it that should lead, and those of that member
// and of the upstream where a standby lowers one. The others only come first.
func (c *paramChange) limitsFirst(earlier []*paramChange) []topology.Address {
	s, sb := c.scope, c.scope.Cluster.Standby(c.node)
	var all []topology.Address
	for _, e := range earlier {
		raised := len(c.raises) > 0 && len(e.raises) > 0 && sb == nil
		lowered := len(c.lowers) > 0 && len(e.lowers) > 0 && sb != nil && (e.node == s.Goal.Primary || e.node == s.Followed(sb))
		if raised || lowered {
			all = append(all, s.ParametersAddress(e.node))
		}
	}
	return all
}

// refusePaused refuses to lower what a standby must replay first and does not.
func refusePaused(s *cluster.Cluster, lowers []string, out *draft.Findings) {
	for _, sb := range s.Cluster.Standbys {
		if s.Paused(sb.Node) {
			out.Fail(sb.Range, "Replay paused",
				"%s has paused its replay, and must replay that %s is lowered before it restarts. %s Then plan again.",
				sb.Node.Name, strings.Join(lowers, ", "), s.ResumeHint(sb.Node))
		}
	}
}

// refusePortToo refuses to lower, in one apply, what the followers of a server must replay
// from it first, and to restart it where they do not find it.
func refusePortToo(s *cluster.Cluster, changes []*paramChange, lowers []string, out *draft.Findings) {
	for _, c := range changes {
		if n := c.node; s.PortMoves(n) && len(s.Repoints(n)) > 0 {
			out.Fail(n.Range, "Port change and lowered parameter in one apply",
				"%s restarts on port %d instead of %d, and %s would be lowered: its standbys must replay that before they "+
					"restart, and are repointed after it. Lower first, apply, then change the port.",
				n.Name, n.Port, s.PortInForce(n), strings.Join(lowers, ", "))
		}
	}
}

// classes returns the hot-standby parameters that some node raises or lowers.
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
	return list.SortedKeys(up), list.SortedKeys(down)
}

// draft writes the change's steps.
func (c *paramChange) draft(lowering bool, restarting map[string]bool) *draft.Draft {
	s, n := c.scope, c.node
	d := draft.NewDraft(plan.Update, s.ParametersAddress(n), n)
	d.Attributes, d.Adopts = c.diffs, c.adopts
	if len(c.diffs) == 0 {
		d.Reason = c.reason()
	}
	c.awaitLowered(d, restarting)
	c.checkSSL(d)
	if c.write {
		d.Step(n, "write postgresql.conf", draft.ConfFile(s, n, c.lines, c.found.Host.Conf.Text))
	}
	for _, name := range c.reset {
		d.SQL(n, "remove the override", "ALTER SYSTEM RESET "+pg.Ident(name)+";")
	}
	if c.restart {
		if s.PortMoves(n) {
			d.Brings = s.FollowThePort(n)
		}
		c.raisePast(d)
		d.Needs = append(d.Needs, c.scope.LoginAddresses()...)
		c.addRestart(d, lowering)
	} else {
		d.Worsen(plan.Reload)
		d.Reload(n)
	}
	if q := c.verifyQuery(); q != "" {
		d.Wait(n, "the values are in effect", q, draft.SettleTimeout)
	}
	return d
}

// reason tells why there is work though no value differs.
func (c *paramChange) reason() string {
	switch {
	case c.write && !c.scope.ConfBlock(c.found.Host).Found():
		return "the managed block does not exist yet; no value changes"
	case c.write && c.scope.ConfBlock(c.found.Host).Renamed():
		return "the managed block gets the cluster's new name; no value changes"
	case c.write:
		return "the managed block was edited or moved; no value changes"
	default:
		return "the server has not loaded the values of the file yet"
	}
}

// checkSSL adds the check of a start to a reload that changes certificates or keys, before
// the values are written: of files that a reload does not accept only the server's log says
// so, and the next start fails over them ("SSL configuration was not reloaded").
func (c *paramChange) checkSSL(d *draft.Draft) {
	var options []string
	for _, l := range c.lines {
		if strings.HasPrefix(l.Name, "ssl") && cluster.Differs(c.diffs, l.Name) && !l.Secret.IsSet() {
			options = append(options, "-c", l.Name+"="+l.Value)
		}
	}
	if len(options) > 0 && !c.restart {
		draft.CheckStart(c.scope, d, c.node, options...)
	}
}

// addRestart restarts the node and waits until replication is as it was.
func (c *paramChange) addRestart(d *draft.Draft, lowering bool) {
	s, n := c.scope, c.node
	d.Worsen(plan.Restart)
	d.Restarts = append(d.Restarts, n.Name)
	awaitBackups(s, d, n)
	draft.CheckStart(s, d, n)
	standby := s.Cluster.Standby(n)
	relaxed, full := s.Relaxed(n)
	if standby != nil && relaxed != full {
		d.Effect = "commits do not wait for " + n.Name + " meanwhile"
		draft.Relax(s, d, "commits must not wait for "+n.Name, relaxed, full)
	}
	d.Restart(n, c.found.Host)
	draft.AwaitStart(s, d, n)
	if standby != nil && !s.Lost(n) && !s.LockedOut(standby) && (lowering || !s.HoldsBack(n)) && !s.Strays(standby) {
		draft.AwaitNewReceiver(s, d, n)
	}
	if standby != nil && relaxed != full {
		draft.AwaitSet(s, d, n, full)
		draft.Unrelax(s, d, full)
	}
	if standby == nil {
		d.Effect = "writes stop"
	}
	c.awaitFollowers(d, lowering)
}

// verifyQuery is true once the server uses the wanted values; "" when none can be
// told that way: strings may come back rewritten, secrets must not be asked for.
func (c *paramChange) verifyQuery() string {
	var pairs []string
	for _, l := range c.lines {
		setting := c.found.Server.Settings[l.Name]
		v, err := cluster.Normalise(setting, l.Value)
		plain := setting.VarType == "bool" || setting.VarType == "integer" || setting.VarType == "enum"
		if plain && err == nil && !l.Secret.IsSet() && cluster.Differs(c.diffs, l.Name) && !cluster.SessionOwn(setting) {
			pairs = append(pairs, "("+pg.Literal(l.Name)+", "+pg.Literal(v)+")")
		}
	}
	if len(pairs) == 0 {
		return ""
	}
	return fmt.Sprintf("SELECT count(*) = %d FROM pg_settings\nWHERE (name, setting) IN (%s) AND NOT pending_restart", len(pairs), strings.Join(pairs, ", "))
}
