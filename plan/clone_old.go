package plan

import (
	"fmt"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// What stood where a copy is to be: the standby that is cloned again goes aside with
// its WAL directory and its tablespaces, and stays one that can be started; a copy that
// was cut off is removed, by what only pg_basebackup makes.

// Aside is where the directories of a standby that is cloned again wait.
const Aside = ".repltool-old"

// moves tells that n's data directory goes aside for a new copy.
func (s *scope) moves(n *topology.Node) bool {
	h := s.found(n).Host
	unstarted := h.Data.Unstarted && len(h.Jobs) > 0 // nothing in it is worth keeping
	return s.replace[s.standbyAddress(n)] && h.Data.State == facts.DataCluster && !h.Making() && !unstarted
}

// movable are the directories beside the data directory that go aside with it. One that
// is not in the way of the new copy and cannot be moved stays.
func movable(h *facts.Host) []facts.Dir {
	var dirs []facts.Dir
	for _, d := range h.Dirs {
		if d.Link != "" && d.Pinned == "" && (!d.Aside || h.AsideJob != nil) && d.State != facts.DataAbsent && !strings.HasSuffix(d.Path, Aside) {
			dirs = append(dirs, d)
		}
	}
	return dirs
}

// moveAside moves directories and has the data directory's links follow them, so that
// the old standby still is one. The data directory itself goes last.
const moveAside = `data=$1; shift; while [ $# -gt 0 ]; do ` +
	`mv --no-target-directory -- "$2" "$2.repltool-old" && ln --symbolic --force --no-dereference -- "$2.repltool-old" "$data/$1" || exit; ` +
	`shift 2; done; mv --no-target-directory -- "$data" "$data.repltool-old"`

// setAside stops the standby and moves its directories out of the way.
func (s *scope) setAside(d *draft, sb *topology.Standby) {
	n, h := sb.Node, s.found(sb.Node).Host
	d.Reason = "cloned again at the user's wish"
	if h.Running {
		d.step(n, "stop", control(n, h, "stop"))
	}
	if h.AsideJob != nil {
		s.removeAside(d, n, "remove an older one, which an apply that was cut off left aside", asideDirs(h))
	}
	argv := []string{"sh", "-c", moveAside, "sh", h.DataDir}
	for _, dir := range movable(h) {
		argv = append(argv, dir.Link, dir.Path)
	}
	d.step(n, "keep the old one aside, with what its links lead to", Command{Argv: argv, Job: asideJob(h)})
}

// leaveFirst answers the changes by which standbys leave one that is copied: they come
// first. For one that stays it is an error, or with nothing left to lose a warning: the
// new copy has no WAL from before it began.
func (s *scope) leaveFirst(copied *topology.Standby, out *findings) []topology.Address {
	var first []topology.Address
	for _, sb := range s.cluster.Standbys {
		n, server := sb.Node, s.found(sb.Node).Server
		switch {
		case s.recloned(n) || s.followed(sb) != copied.Node:
		case sb.Upstream != copied.Node:
			first = append(first, s.standbyAddress(n))
		case server != nil && server.InForce("restore_command") != "": // it has an archive to go on from
		default:
			tell := out.warn
			if s.moves(copied.Node) {
				tell = out.fail
			}
			tell(sb.Range, "It would lose its upstream's WAL",
				"%s follows %s, and a new copy of %s has no WAL from before the copy began: what %s has not received by then is missing, and it could not go on. Let it follow %s for the time (upstream) and apply; once %s is copied it can follow that again. Or clone it again too: -replace=%s.",
				n.Name, copied.Node.Name, copied.Node.Name, n.Name, copied.Upstream.Name, copied.Node.Name, s.standbyAddress(n))
		}
	}
	return first
}

// oldOnes are what is removed once the new copy streams.
func (s *scope) oldOnes(sb *topology.Standby) []string {
	h := s.found(sb.Node).Host
	if !s.moves(sb.Node) {
		return asideDirs(h)
	}
	old := []string{h.DataDir + Aside}
	for _, dir := range movable(h) {
		old = append(old, dir.Path+Aside)
	}
	for _, dir := range h.Dirs { // moved by an apply that died before it moved the rest
		if dir.Link != "" && strings.HasSuffix(dir.Path, Aside) {
			old = append(old, dir.Path)
		}
	}
	return old
}

// asideDirs are the directories that wait aside: the data directory and what its links
// lead to, as far as it was moved.
func asideDirs(h *facts.Host) []string {
	old := []string{h.DataDir + Aside}
	for _, dir := range h.AsideDirs {
		if strings.HasSuffix(dir, Aside) {
			old = append(old, dir)
		}
	}
	return old
}

// leftovers are the directories beside the data directory in which a copy that was cut
// off may have left files: those that its record names. A copy that was not begun, or that
// found one of them not empty, wrote to none.
func (s *scope) leftovers(sb *topology.Standby) []string {
	h := s.found(sb.Node).Host
	clone := h.Job(jobID(h, "clone"))
	if clone == nil || clone.Argv == nil || clone.Refused || !s.discards(sb) {
		return nil
	}
	return without(clone.Absent, []string{h.DataDir, h.ConfigDir})
}

// toCopy are the directories that the copy for a standby fills.
func (s *scope) toCopy(sb *topology.Standby) []string {
	h := s.found(sb.Node).Host
	var dirs []string
	for _, p := range s.places(sb) {
		dirs = append(dirs, p.dir)
	}
	if s.needsConfig(sb.Node) && h.ConfigDir != h.DataDir {
		dirs = append(dirs, h.ConfigDir)
	}
	return dirs
}

// removeLeftovers empties directories of what pg_basebackup puts there and nothing else:
// the version's directory of a tablespace, WAL segments and what goes with them.
func removeLeftovers(h *facts.Host, dirs []string) []string {
	ours := fmt.Sprintf(`.*/(PG_%d_[0-9]+|[0-9A-F]{24}(\.partial)?|[0-9A-F]{8}\.history|archive_status|summaries)`, h.Version)
	script := neverStarted(ofBasebackup) + `ours=$2; shift 2; for dir; do [ ! -d "$dir" ] || ` +
		`find "$dir/" -mindepth 1 -maxdepth 1 -regextype posix-extended -regex "$ours" -exec rm -rf -- {} + || exit; done`
	return append([]string{"sh", "-c", script, "sh", h.DataDir, ours}, dirs...)
}
