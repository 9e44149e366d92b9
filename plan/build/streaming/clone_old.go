package streaming

import (
	_ "embed"
	"fmt"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// What stood where a copy is to be: the standby that is cloned again goes aside with
// its WAL directory and its tablespaces, and stays one that can be started; a copy that
// was cut off is removed, by what only pg_basebackup makes.

//go:embed move_aside.sh
var moveAsideText string

// MoveAsideScript moves a data directory out of the way.
func MoveAsideScript() string { return draft.WithServerIn(moveAsideText) }

// setAside stops the standby and moves its directories out of the way.
func setAside(s *cluster.Cluster, d *draft.Draft, sb *topology.Standby, diverged *cluster.Divergence) {
	n, h := sb.Node, s.Found(sb.Node).Host
	d.Reason = "cloned again because of -replace"
	if up := sb.Upstream; s.Live() != nil && up != s.Now.Leader && !s.Recloned(up) {
		d.SQL(up, "verify that "+up.Name+" serves a base backup", serves(s))
	}
	if h.Running {
		if diverged != nil && s.Found(n).Server != nil { // the checkpoint of a shutdown removes WAL
			d.SQL(n, "have it remove no WAL while it stops", "ALTER SYSTEM SET "+cluster.WALKept+" = "+pg.Literal(cluster.KeepAllWAL)+";")
			d.SQL(n, "reload", "SELECT pg_reload_conf();")
		}
		d.Step(n, "stop", draft.Control(n, h, "stop"))
	}
	switch {
	case diverged != nil:
		keepLost(s, d, n, diverged)
	case s.WasPrimary(n): // that it has nothing of its own was never shown
		d.Discards = true
		d.Effect += "; " + n.Name + " would start as a primary: discards what only it has"
	}
	if h.AsideJob != nil {
		removeAside(s, d, n, "remove an older one, left by an interrupted apply", cluster.AsideDirs(h))
	}
	argv := []string{"sh", "-c", MoveAsideScript(), "sh", h.DataDir}
	for _, dir := range cluster.Movable(h) {
		argv = append(argv, dir.Link, dir.Path)
	}
	d.Step(n, "keep the old data directory, with what its links point to", plan.Command{Argv: argv, Job: asideJob(h)})
}

// serves begins a base backup and ends it at once. A standby refuses one while its primary has had
// full_page_writes off since the checkpoint that it would begin at, if only for a moment, and no
// view of either tells that (PostgreSQL docs, 26.3.3 "Making a Base Backup Using the Low Level API").
func serves(s *cluster.Cluster) string {
	if s.AtLeast(15) {
		return "SELECT pg_backup_start('repltool', true);\nSELECT pg_backup_stop(false);"
	}
	return "SELECT pg_start_backup('repltool', true, false);\nSELECT pg_stop_backup(false, false);"
}

// leaveFirst returns the changes by which standbys leave one that is copied: they come
// first. For one that stays it is an error, or with nothing left to lose a warning: the
// new copy has no WAL from before it began.
func leaveFirst(s *cluster.Cluster, copied *topology.Standby, out *draft.Findings) []topology.Address {
	var first []topology.Address
	for _, sb := range s.Cluster.Standbys {
		n, server := sb.Node, s.Found(sb.Node).Server
		switch {
		case s.Recloned(n) || s.Followed(sb) != copied.Node:
		case sb.Upstream != copied.Node:
			first = append(first, s.StandbyAddress(n))
		case server != nil && server.InForce("restore_command") != "": // it has an archive to continue from
		default:
			tell := out.Warn
			if s.Moves(copied.Node) {
				tell = out.Fail
			}
			tell(sb.Range, "Re-cloning the upstream would strand this standby",
				"%s follows %s. A new clone of %s contains no WAL from before its base backup: what %s has not received by "+
					"then is missing, and it could not continue. Repoint it to %s (upstream) and apply; once %s is cloned, it "+
					"can follow it again. Or clone it again as well: -replace=%s.",
				n.Name, copied.Node.Name, copied.Node.Name, n.Name, copied.Upstream.Name, copied.Node.Name, s.StandbyAddress(n))
		}
	}
	return first
}

// toCopy are the directories that the copy for a standby fills.
func toCopy(s *cluster.Cluster, sb *topology.Standby) []string {
	h := s.Found(sb.Node).Host
	var dirs []string
	for _, p := range s.Places(sb) {
		dirs = append(dirs, p.Dir)
	}
	if s.NeedsConfig(sb.Node) && h.ConfigDir != h.DataDir {
		dirs = append(dirs, h.ConfigDir)
	}
	return dirs
}

// removeLeftovers empties directories of what pg_basebackup puts there and nothing else:
// the version's directory of a tablespace, WAL segments and what goes with them.
func removeLeftovers(h *facts.Host, dirs []string) []string {
	ours := fmt.Sprintf(`.*/(PG_%d_[0-9]+|[0-9A-F]{24}(\.partial)?|[0-9A-F]{8}\.history|archive_status|summaries)`, h.Version)
	script := draft.NeverStarted(draft.OfBasebackup) + `ours=$2; shift 2; for dir; do [ ! -d "$dir" ] || ` +
		`find "$dir/" -mindepth 1 -maxdepth 1 -regextype posix-extended -regex "$ours" -exec rm -rf -- {} + || exit; done`
	return append([]string{"sh", "-c", script, "sh", h.DataDir, ours}, dirs...)
}
