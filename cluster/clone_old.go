package cluster

import (
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/topology"
)

// discards reports whether a copy that an earlier apply left is removed.
func (s *Cluster) discards(sb *topology.Standby) bool {
	left, _ := s.LeftOf(sb)
	return left == LeftPart || left == LeftCancelled
}

// Aside is where the directories of a standby that is cloned again wait.
const Aside = ".repltool-old"

// Movable are the directories beside the data directory that go aside with it. One that
// is not in the way of the new copy and cannot be moved stays.
func Movable(h *facts.Host) []facts.Dir {
	var dirs []facts.Dir
	for _, d := range h.Dirs {
		if d.Link != "" && d.Pinned == "" && (!d.Aside || h.AsideJob != nil) && d.State != facts.DataAbsent && !strings.HasSuffix(d.Path, Aside) {
			dirs = append(dirs, d)
		}
	}
	return dirs
}

// OldOnes are what is removed once the new copy streams.
func (s *Cluster) OldOnes(sb *topology.Standby) []string {
	h := s.Found(sb.Node).Host
	if !s.Moves(sb.Node) {
		return AsideDirs(h)
	}
	old := []string{h.DataDir + Aside}
	for _, dir := range Movable(h) {
		old = append(old, dir.Path+Aside)
	}
	for _, dir := range h.Dirs { // moved by an apply that died before it moved the rest
		if dir.Link != "" && strings.HasSuffix(dir.Path, Aside) {
			old = append(old, dir.Path)
		}
	}
	return old
}

// AsideDirs are the directories that wait aside: the data directory and what its links
// lead to, as far as it was moved.
func AsideDirs(h *facts.Host) []string {
	old := []string{h.DataDir + Aside}
	for _, dir := range h.AsideDirs {
		if strings.HasSuffix(dir, Aside) {
			old = append(old, dir)
		}
	}
	return old
}

// Leftovers are the directories beside the data directory in which a copy that was cut
// off may have left files: those that its record names. A copy that was not begun, or that
// found one of them not empty, wrote to none.
func (s *Cluster) Leftovers(sb *topology.Standby) []string {
	h := s.Found(sb.Node).Host
	clone := h.Job(JobID(h, "clone"))
	if clone == nil || clone.Argv == nil || clone.Refused || !s.discards(sb) {
		return nil
	}
	return list.Without(clone.Absent, []string{h.DataDir, h.ConfigDir})
}
