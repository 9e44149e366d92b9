package check

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// Files that are there already: a block must fit in, and the server must take them.

// checkFiles refuses files that are not as a block can be put in.
func checkFiles(s *cluster.Cluster, n *topology.Node, f *facts.Node, out *draft.Findings) {
	for _, file := range []facts.File{f.Host.Conf, f.Host.HBA} {
		if _, err := conftext.RenameBlock(file.Text, s.Cluster.Earlier, s.Cluster.Name, "", conftext.Last); err != nil {
			out.Finding(s.NodeAddress(n), s.RangeOf(n), "Invalid managed block", "%s: %s: %s. Fix the marker lines by hand, then plan again.", n.Name, file.Path, err)
		}
	}
	if f.Server == nil || s.Recloned(n) {
		return
	}
	checkLocked(s, n, f.Host, out)
	block := s.ConfBlock(f.Host)
	for _, fs := range f.Server.FileSettings {
		if fs.Error != "" && !cluster.WaitsForRestart(f.Server, fs) && !(fs.File == f.Host.Conf.Path && block.Has(fs.Line)) {
			out.Finding(s.NodeAddress(n), s.RangeOf(n), "Error in the configuration files",
				"%s: %s. As long as it is there the server takes no change on reload and does not start again. Fix it first.",
				n.Name, settingError(fs))
		}
	}
	block = s.HBABlock(f.Host)
	for _, r := range f.Server.HBA {
		if r.Error != "" && !((r.File == "" || r.File == f.Host.HBA.Path) && block.Has(r.Line)) {
			out.Finding(s.NodeAddress(n), s.RangeOf(n), "Error in the configuration files",
				"%s: %s, line %d: %s. Until it is fixed, the server keeps its old rules on reload and does not start again. "+
					"Fix that line first.",
				n.Name, cmp.Or(r.File, f.Host.HBA.Path), r.Line, r.Error)
		}
	}
}

// settingError is an error of the server's files, with what the server says of its place:
// of an include that it cannot open, only the text.
func settingError(fs facts.FileSetting) string {
	var parts []string
	if fs.File != "" && fs.Line > 0 {
		parts = append(parts, fmt.Sprintf("%s, line %d", fs.File, fs.Line))
	} else if fs.File != "" {
		parts = append(parts, fs.File)
	}
	if fs.Name != "" {
		parts = append(parts, fs.Name)
	}
	return strings.Join(append(parts, fs.Error), ": ")
}

// checkLocked refuses, before the first change anywhere, to write a file that cannot be
// replaced; one that stays as it is may be locked.
func checkLocked(s *cluster.Cluster, n *topology.Node, h *facts.Host, out *draft.Findings) {
	if h.Conf.Locked == "" && h.HBA.Locked == "" {
		return
	}
	lines := s.Lines(n)
	conf := s.ConfBlock(h)
	if v, ok := conf.Value(cluster.SyncNames); ok && n == s.Goal.Primary {
		lines = cluster.WithLine(lines, cluster.Line{Name: cluster.SyncNames, Value: v})
	}
	_, broken := conftext.FindBlock(h.Conf.Text, s.Cluster.Name)
	for _, file := range []struct {
		facts.File
		same bool
	}{
		{h.Conf, broken != nil || conf.Is(cluster.ConfRevealed(lines), conftext.Last) && (n != s.Goal.Primary || s.SyncCurrent() == s.SyncWanted())},
		{h.HBA, s.HBABlock(h).Is(s.HBATextPassing(n).Text, conftext.First) && !s.DropsPassing(n)},
	} {
		if file.Locked != "" && !file.same {
			out.Fail(s.RangeOf(n), "File not replaceable",
				"%s: %s would be changed. repltool writes a new file as %s and renames it over the old one, but: %s. Then "+
					"plan again.", n.Name, file.Path, h.OSUser, file.Locked)
		}
	}
}
