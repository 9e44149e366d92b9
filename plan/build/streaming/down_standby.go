package streaming

import (
	"regexp"
	"slices"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// A standby that is down connects with what postgresql.auto.conf says once it starts. Its
// upstream may have another address, port or slot by now, so the file is brought up to date
// before the start: a tool may edit it while no server runs (PostgreSQL docs, 20.1.2), and
// ALTER SYSTEM after the start would come too late for a standby that delays its replay,
// which keeps the connection that it began with.

// repointDown gives a standby that is down the connection, the slot and the delay that the
// topology has, and returns the lines for postgresql.auto.conf. A connection that stands in
// none of its files is left alone: a file that they include may have it.
func repointDown(s *cluster.Cluster, d *draft.Draft, sb *topology.Standby) (lines []cluster.Line) {
	n := sb.Node
	now, wanted := s.ConnNow(n), s.ConnInfo(sb)
	if !s.KnowsConn(n) && !s.Follows(n) {
		return nil
	}
	diffs := s.ConnDiffers(now, wanted, sb)
	for _, key := range diffs {
		d.Differ("primary_conninfo."+key, pg.Optional(now, key), pg.Optional(wanted, key), "with its start")
	}
	if len(diffs) > 0 {
		lines = append(lines, cluster.Line{Name: "primary_conninfo", Value: pg.FormatConnInfo(wanted)})
	}
	if slot, _ := s.StandbyValue(n, "primary_slot_name"); slot != sb.Slot {
		d.Differ("primary_slot_name", plan.Ptr(slot), plan.Ptr(sb.Slot), "with its start")
		lines = append(lines, cluster.Line{Name: "primary_slot_name", Value: sb.Slot})
	}
	return lines
}

// EditSettings takes lines out of a postgresql.auto.conf that is as it was read, and adds
// others.
const EditSettings = `file=$1 stamp=$2 names=$3; shift 3; [ "$(LC_ALL=C stat -c %.9Z -- "$file")" = "$stamp" ] || { echo "$file was changed since the plan was made" >&2; exit 1; }; ` +
	`sed --in-place --regexp-extended "/^[[:space:]]*($names)[[:space:]=]/Id" "$file" && { [ -z "$(tail --bytes=1 "$file")" ] || echo >>"$file"; } && ` +
	`{ [ $# = 0 ] || printf '%s\n' "$@" >>"$file"; } && sync "$file"`

// editDown changes postgresql.auto.conf of a node that is down: names go, lines come.
func editDown(s *cluster.Cluster, d *draft.Draft, n *topology.Node, names []string, lines []cluster.Line) {
	auto := s.Found(n).Host.AutoConf
	if !auto.Exists || len(names)+len(lines) == 0 {
		return
	}
	argv := []string{"sh", "-c", EditSettings, "sh", auto.Path, auto.Stamp, ""}
	for _, l := range lines {
		names = append(names, l.Name)
		argv = append(argv, conftext.FormatSetting(l.Name, l.Value))
	}
	for i := range names {
		names[i] = regexp.QuoteMeta(names[i])
	}
	argv[6] = strings.Join(names, "|")
	d.Command(n, "change what ALTER SYSTEM had set; no server is running", argv...)
}

// passfileOfDown writes the password file of a standby that is down, unless it logs in by a
// right password of its own.
func passfileOfDown(s *cluster.Cluster, d *draft.Draft, sb *topology.Standby) {
	if !s.Cluster.Replication.Role.Password.IsSet() {
		return
	}
	n, wanted := sb.Node, s.StandbyPasswords(sb)
	file, now := s.Found(n).Host.Passfile, s.ConnNow(n)
	if s.PassfileFits(n, file, wanted, nil) || s.HasPassword(now, n) && len(s.ConnDiffers(now, s.ConnInfo(sb), sb)) == 0 {
		return
	}
	draft.WritePassfile(s, d, n, file, wanted, nil)
}

// removePrevious removes the password file of an earlier name, once the standby streams by
// the new one.
func removePrevious(s *cluster.Cluster, d *draft.Draft, sb *topology.Standby) {
	n := sb.Node
	if old := s.PreviousPassfile(n); old != nil && slices.Contains(s.ConnDiffers(s.ConnNow(n), s.ConnInfo(sb), sb), "passfile") {
		draft.RemovePassfile(s, d, n, *old, s.StandbyPasswords(sb))
	}
}
