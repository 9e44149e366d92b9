// Package config plans postgresql.conf and pg_hba.conf, reloads and restarts.
package config

import (
	"fmt"
	"path"
	"slices"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// What overrides our block: postgresql.auto.conf, which is reset, since the topology
// names the parameter; a later line of another file, behind which the block moves;
// and the command line or the environment, which are nobody's to change but the
// user's (PostgreSQL docs, 20.1.2 to 20.1.4).

// Parameters live in one marked block at the end of postgresql.conf, where the
// last value wins. What is in force is what pg_settings says, never the text;
// what postgresql.auto.conf overrides is reset there, since the topology names
// the parameter (PostgreSQL docs, 20.1.2 and 20.1.3).

// paramChange is what one node's parameters need.
type paramChange struct {
	scope *cluster.Cluster
	node  *topology.Node
	found *facts.Node
	lines []cluster.Line // wanted, synchronous_standby_names as it is now

	write   bool     // the block is not as wanted, or not in its place
	adopts  bool     // it is missing, and would change nothing
	reset   []string // names that postgresql.auto.conf overrides
	reload  bool
	restart bool
	raises  []string // of the hot-standby five
	lowers  []string
	behind  bool // a value is lowered that the primary has to lower first
	diffs   []plan.Attribute
}

func (c *paramChange) needed() bool { return c.write || len(c.reset) > 0 || c.reload || c.restart }

// compareParameters finds what differs on a node that runs.
func compareParameters(s *cluster.Cluster, n *topology.Node, out *draft.Findings) *paramChange {
	found := s.Found(n)
	c := &paramChange{scope: s, node: n, found: found, lines: s.Lines(n)}
	block := s.ConfBlock(found.Host)
	if v, ok := block.Value(cluster.SyncNames); ok && n == s.Goal.Primary {
		c.lines = cluster.WithLine(c.lines, cluster.Line{Name: cluster.SyncNames, Value: v})
	}
	c.write = !block.Is(cluster.ConfRevealed(c.lines), conftext.Last)
	for _, l := range c.lines {
		setting, current := found.Server.Settings[l.Name], found.Server.InForce(l.Name)
		switch {
		case l.Name == cluster.SyncNames: // whose values are synchronous's to mend, behind its gates
		case cluster.Fixed(setting):
			if !cluster.Same(setting, current, l.Reveal()) {
				tellFixed(s, n, l.Name, cluster.WithUnit(setting, current), l.Shown(), out)
			}
		default:
			c.compareLine(l, block)
		}
	}
	for _, name := range block.Names() {
		if !cluster.HasLine(c.lines, name) {
			c.compareRemoved(name, block)
		}
	}
	for _, p := range s.LeftBlock(n, c.lines) {
		c.differ(p.Name, p.Value, cluster.WithUnit(found.Server.Settings[p.Name], p.Value), "not in the topology any more")
	}
	c.compareOwn()
	c.lowerPending()
	c.checkRole(out)
	c.adopts = c.write && !block.Found() && len(c.diffs) == 0 && len(c.reset) == 0 && !c.reload && !c.restart
	c.reload = c.reload || c.write && !c.restart || len(c.reset) > 0 && !c.restart
	return c
}

// compareLine looks at one wanted parameter.
func (c *paramChange) compareLine(l cluster.Line, block cluster.ConfBlock) {
	setting, known := c.found.Server.Settings[l.Name]
	if !known { // a setting with a dot that no file names yet
		if c.write {
			c.diffs = append(c.diffs, plan.Attribute{Name: l.Name, After: plan.Ptr(l.Shown())})
		}
		return
	}
	current, note := c.found.Server.InForce(l.Name), l.Note
	over := c.override(l.Name, block)
	if over != nil && cluster.Same(setting, over.Value, l.Reveal()) {
		over = nil
	}
	if over != nil {
		note = pg.Join(note, overriddenBy(over))
		if path.Base(over.File) == cluster.AutoConf {
			c.reset = append(c.reset, l.Name)
		}
	}
	switch {
	case over == nil && c.inForce(l, setting, current, block):
	case cluster.Same(setting, current, l.Reveal()): // another one waits, which a reload takes away
		c.reload = true
		c.diffs = append(c.diffs, plan.Attribute{Name: l.Name, Before: plan.Ptr(c.waiting(l, setting)), After: plan.Ptr(l.Shown()), Note: pg.Join("takes effect on reload", note)})
	default:
		c.differ(l.Name, l.Reveal(), l.Shown(), note)
	}
}

// waiting is the value that the files have and the server has not taken.
func (c *paramChange) waiting(l cluster.Line, setting facts.Setting) string {
	if l.Secret.IsSet() {
		return topology.Redacted
	}
	when := "reload"
	if setting.Context == "postmaster" {
		when = "restart"
	}
	return cluster.WithUnit(setting, c.found.Server.Outside(l.Name, "", nil)) + " at the next " + when
}

// inForce reports whether the wanted value is the one that the server uses. A
// string that the server rewrites (iso becomes ISO) is in force when it was taken
// from its line of the block.
func (c *paramChange) inForce(l cluster.Line, setting facts.Setting, current string, block cluster.ConfBlock) bool {
	if cluster.Same(setting, current, l.Reveal()) {
		return !setting.PendingRestart
	}
	if setting.VarType != "string" || c.write || setting.PendingRestart {
		return false
	}
	return setting.SourceFile == c.found.Host.Conf.Path && block.Has(setting.SourceLine)
}

// compareRemoved looks at a parameter that leaves the block: the value that the
// other files give comes back.
func (c *paramChange) compareRemoved(name string, block cluster.ConfBlock) {
	setting, known := c.found.Server.Settings[name]
	if !known {
		return
	}
	current := c.found.Server.InForce(name)
	after := c.found.Server.Outside(name, c.found.Host.Conf.Path, block.Has)
	if !cluster.Same(setting, current, after) {
		c.differ(name, after, cluster.WithUnit(setting, after), "not in the topology any more")
	}
}

// differ notes a value that changes, and what the change takes.
func (c *paramChange) differ(name, wanted, shown, note string) {
	setting, current := c.found.Server.Settings[name], c.found.Server.InForce(name)
	before, takes := cluster.WithUnit(setting, current), "takes effect on reload"
	if shown == topology.Redacted || c.scope.MayBeSecret(c.node, name) {
		before = topology.Redacted
	}
	if setting.Context == "postmaster" {
		takes, c.restart = "requires a restart", true
	} else {
		c.reload = true
	}
	switch {
	case setting.Context != "postmaster" || !slices.Contains(pg.HotStandby(), name):
	case cluster.Number(setting, wanted) > cluster.Number(setting, current):
		c.raises = append(c.raises, name)
	default:
		c.lowers = append(c.lowers, name)
		live := c.scope.Live()
		c.behind = c.behind || c.node == c.scope.Goal.Primary || live == nil || cluster.Number(setting, wanted) < cluster.Number(setting, live.InForce(name))
	}
	c.diffs = append(c.diffs, plan.Attribute{Name: name, Before: plan.Ptr(before), After: plan.Ptr(shown), Note: pg.Join(takes, note)})
}

// lowerPending notes what a restart of the primary lowers besides: an apply that was killed has
// taken the line out of the block, and standbys must replay that before they lower it.
func (c *paramChange) lowerPending() {
	if !c.restart || c.node != c.scope.Goal.Primary {
		return
	}
	for _, name := range pg.HotStandby() {
		p := c.scope.PendingValue(c.node, name)
		if p == nil || cluster.Differs(c.diffs, name) || cluster.LimitOf(p.Value) >= cluster.LimitOf(c.found.Server.InForce(name)) {
			continue
		}
		c.lowers, c.behind = append(c.lowers, name), true
	}
}

// override is the line, of all files, that a parameter is taken from in place of
// the block's; nil for none. The server may not have taken it yet.
func (c *paramChange) override(name string, block cluster.ConfBlock) *facts.FileSetting {
	var last *facts.FileSetting
	for i, f := range c.found.Server.FileSettings {
		if f.Name == name {
			last = &c.found.Server.FileSettings[i]
		}
	}
	_, ours := block.Value(name)
	switch {
	case last == nil, last.File == c.found.Host.Conf.Path && block.Has(last.Line):
		return nil
	case path.Base(last.File) != cluster.AutoConf && !ours: // before the block, once that has a line
		return nil
	}
	return last
}

// overriddenBy says it: "overridden by postgresql.auto.conf, line 3".
func overriddenBy(f *facts.FileSetting) string {
	file := f.File
	if path.Base(file) == cluster.AutoConf {
		file = cluster.AutoConf // in the data directory, always
	}
	return fmt.Sprintf("overridden by %s, line %d", file, f.Line)
}

// tellFixed reports a value that the server was started with.
func tellFixed(s *cluster.Cluster, n *topology.Node, name, current, wanted string, out *draft.Findings) {
	f := s.Found(n)
	where, way := "the command line", fmt.Sprintf("remove it from the command that starts %s", n.Name)
	switch {
	case f.Server.Settings[name].Source != "command line":
		where = "the environment"
	case f.Host.Layout == facts.LayoutDebian:
		way = "remove it from pg_ctl_options in " + path.Join(path.Dir(f.Host.Conf.Path), "pg_ctl.conf")
	}
	out.ReportDrift("parameter_set_at_start", s.ParametersAddress(n), n.Name, "%s is %s because of %s, which no file overrides, and not %s: %s, and restart", name, current, where, wanted, way)
}

// compareOwn resets what repltool or a copy has left by ALTER SYSTEM: on a standby, what only a
// primary needs and would be in force after a promotion; on any member, that no WAL is removed.
func (c *paramChange) compareOwn() {
	if c.scope.Cluster.Standby(c.node) != nil {
		for _, name := range cluster.PrimaryOwn() {
			c.takeBack(name, "", "a standby does not use it, and after a promotion it would name the standbys of another primary")
		}
	}
	c.takeBack(cluster.WALKept, cluster.KeepAllWAL, "an interrupted apply was to clone this member again, and to keep its WAL")
}

// takeBack resets a parameter that postgresql.auto.conf has and the topology does not; with a value
// only where it has that.
func (c *paramChange) takeBack(name, value, note string) {
	last := cluster.LastLines(c.found.Server)[name]
	if path.Base(last.File) != cluster.AutoConf || cluster.HasLine(c.lines, name) || value != "" && last.Value != value {
		return
	}
	c.reset = append(c.reset, name)
	c.diffs = append(c.diffs, plan.Attribute{
		Name: name, Before: plan.Ptr(pg.Literal(last.Value)), After: plan.Ptr(pg.Literal(c.withoutSystem(name))), Note: note,
	})
}

// withoutSystem returns the value that a parameter has without ALTER SYSTEM, and without its
// line in the block, which goes.
func (c *paramChange) withoutSystem(name string) string {
	value, block := c.found.Server.Settings[name].Boot, c.scope.ConfBlock(c.found.Host)
	for _, f := range c.found.Server.FileSettings {
		ours := f.File == c.found.Host.Conf.Path && block.Has(f.Line)
		if f.Name == name && path.Base(f.File) != cluster.AutoConf && !ours {
			value = f.Value
		}
	}
	return value
}
