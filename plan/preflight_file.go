package plan

import (
	"cmp"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/topology"
)

// Files that are there already: a block must fit in, and the server must take them.

// checkFiles refuses files that are not as a block can be put in.
func (s *scope) checkFiles(n *topology.Node, f *facts.Node, out *findings) {
	for _, file := range []facts.File{f.Host.Conf, f.Host.HBA} {
		if _, err := conftext.RenameBlock(file.Text, s.cluster.Earlier, s.cluster.Name, "", conftext.Last); err != nil {
			out.finding(s.nodeAddress(n), s.rangeOf(n), "Broken block", "%s: %s: %s. Mend the markers by hand, then plan again.", n.Name, file.Path, err)
		}
	}
	if f.Server == nil || s.recloned(n) {
		return
	}
	s.checkLocked(n, f.Host, out)
	block := s.confBlock(f.Host)
	for _, fs := range f.Server.FileSettings {
		if fs.Error != "" && !waitsForRestart(f.Server, fs) && !(fs.File == f.Host.Conf.Path && block.has(fs.Line)) {
			out.finding(s.nodeAddress(n), s.rangeOf(n), "The server's files have an error",
				"%s: %s, line %d: %s: %s. As long as it is there the server takes no change on reload and does not start again. Mend that line first.",
				n.Name, fs.File, fs.Line, fs.Name, fs.Error)
		}
	}
	block = s.hbaBlock(f.Host)
	for _, r := range f.Server.HBA {
		if r.Error != "" && !((r.File == "" || r.File == f.Host.HBA.Path) && block.has(r.Line)) {
			out.finding(s.nodeAddress(n), s.rangeOf(n), "The server's files have an error",
				"%s: %s, line %d: %s. As long as it is there the server keeps its old rules on reload and does not start again. Mend that line first.",
				n.Name, cmp.Or(r.File, f.Host.HBA.Path), r.Line, r.Error)
		}
	}
}

// checkLocked refuses, before the first change anywhere, to write a file that cannot be
// replaced; one that stays as it is may be locked.
func (s *scope) checkLocked(n *topology.Node, h *facts.Host, out *findings) {
	lines := s.lines(n)
	conf := s.confBlock(h)
	if v, ok := conf.value(syncNames); ok && n == s.cluster.Primary {
		lines = withLine(lines, line{name: syncNames, value: v})
	}
	_, broken := conftext.FindBlock(h.Conf.Text, s.cluster.Name)
	for _, file := range []struct {
		facts.File
		same bool
	}{
		{h.Conf, broken != nil || conf.is(confRevealed(lines), conftext.Last) && (n != s.cluster.Primary || s.syncCurrent() == s.syncWanted())},
		{h.HBA, s.hbaBlock(h).is(s.hbaText(n).Text, conftext.First)},
	} {
		if file.Locked != "" && !file.same {
			out.fail(s.rangeOf(n), "File cannot be replaced",
				"%s: %s is to be changed, and repltool writes a new file and renames it over the old one, as %s: %s. Then plan again.", n.Name, file.Path, h.OSUser, file.Locked)
		}
	}
}
