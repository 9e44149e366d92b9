package plan

import (
	"fmt"
	"path"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// What overrides our block: postgresql.auto.conf, which is reset, since the topology
// names the parameter; a later line of another file, behind which the block moves;
// and the command line or the environment, which are nobody's to change but the
// user's (PostgreSQL docs, 20.1.2 to 20.1.4).

// override is the line, of all files, that a parameter is taken from in place of
// the block's; nil for none. The server may not have taken it yet.
func (c *paramChange) override(name string, block confBlock) *facts.FileSetting {
	var last *facts.FileSetting
	for i, f := range c.found.Server.FileSettings {
		if f.Name == name {
			last = &c.found.Server.FileSettings[i]
		}
	}
	_, ours := block.value(name)
	switch {
	case last == nil, last.File == c.found.Host.Conf.Path && block.has(last.Line):
		return nil
	case path.Base(last.File) != autoConf && !ours: // before the block, once that has a line
		return nil
	}
	return last
}

// overriddenBy says it: "overridden by postgresql.auto.conf, line 3".
func overriddenBy(f *facts.FileSetting) string {
	file := f.File
	if path.Base(file) == autoConf {
		file = autoConf // in the data directory, always
	}
	return fmt.Sprintf("overridden by %s, line %d", file, f.Line)
}

// fixed tells that no file can change a setting: it was given to the server's start.
func fixed(setting facts.Setting) bool {
	return setting.Source == "command line" || setting.Source == "environment variable"
}

// tellFixed reports a value that the server was started with.
func (s *scope) tellFixed(n *topology.Node, name, current, wanted string, out *findings) {
	f := s.found(n)
	where, way := "the command line", fmt.Sprintf("take it out of what starts %s", n.Name)
	switch {
	case f.Server.Settings[name].Source != "command line":
		where = "the environment"
	case f.Host.Layout == facts.LayoutDebian:
		way = "take it out of pg_ctl_options in " + path.Join(path.Dir(f.Host.Conf.Path), "pg_ctl.conf")
	}
	out.tellDrift(s.parametersAddress(n), n.Name, "%s is %s by %s, which no file overrides, and not %s: %s, and restart", name, current, where, wanted, way)
}
