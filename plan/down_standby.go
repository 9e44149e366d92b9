package plan

import (
	"regexp"
	"slices"
	"strings"

	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/topology"
)

// A standby that is down connects with what postgresql.auto.conf says once it starts. Its
// upstream may have another address, port or slot by now, so the file is brought up to date
// before the start: a tool may edit it while no server runs (PostgreSQL docs, 20.1.2), and
// ALTER SYSTEM after the start would come too late for a standby that delays its replay,
// which keeps the connection that it began with.

// connText is the connection string of a standby: of its server, else of the files with
// which it starts; of one that is cloned again, of the files that wait aside. It is not
// known where it stands in none of these.
func (s *scope) connText(n *topology.Node) (text string, known bool) {
	if server := s.found(n).Server; server != nil {
		return server.ConnInfo.Reveal(), server.ConnInfo.Reveal() != ""
	}
	text, known = s.standbyValue(n, "primary_conninfo")
	return text, known && text != ""
}

func (s *scope) knowsConn(n *topology.Node) bool {
	_, known := s.connText(n)
	return known
}

// connNow is the same, taken apart.
func (s *scope) connNow(n *topology.Node) map[string]string {
	text, _ := s.connText(n)
	return conninfo.Map(text)
}

// standbyValue is what the files of a standby without a server give a parameter.
func (s *scope) standbyValue(n *topology.Node, name string) (value string, there bool) {
	h := s.found(n).Host
	if h == nil {
		return "", false
	}
	auto := h.AutoConf
	switch {
	case s.isDown(n) || s.moves(n):
	case s.recloned(n) && h.AsideJob != nil:
		auto = h.AsideAutoConf
	default:
		return "", false
	}
	for _, text := range []string{h.Conf.Text, auto.Text.Reveal()} {
		if v, is := lastValue(text, name); is {
			value, there = v, true
		}
	}
	return value, there
}

// repointDown gives a standby that is down the connection, the slot and the delay that the
// topology has, and answers the lines for postgresql.auto.conf. A connection that stands in
// none of its files is left alone: a file that they include may have it.
func (s *scope) repointDown(d *draft, sb *topology.Standby) (lines []line) {
	n := sb.Node
	now, wanted := s.connNow(n), s.connInfo(sb)
	if !s.knowsConn(n) {
		return nil
	}
	diffs := s.connDiffers(now, wanted, sb)
	for _, key := range diffs {
		d.differ("primary_conninfo."+key, optional(now, key), optional(wanted, key), "with its start")
	}
	if len(diffs) > 0 {
		lines = append(lines, line{name: "primary_conninfo", value: formatConnInfo(wanted)})
	}
	if slot, _ := s.standbyValue(n, "primary_slot_name"); slot != sb.Slot {
		d.differ("primary_slot_name", ptr(slot), ptr(sb.Slot), "with its start")
		lines = append(lines, line{name: "primary_slot_name", value: sb.Slot})
	}
	return lines
}

// editSettings takes lines out of a postgresql.auto.conf that is as it was read, and adds
// others.
const editSettings = `file=$1 stamp=$2 names=$3; shift 3; [ "$(LC_ALL=C stat -c %.9Y -- "$file")" = "$stamp" ] || { echo "$file was changed since the plan was made" >&2; exit 1; }; ` +
	`sed --in-place --regexp-extended "/^[[:space:]]*($names)[[:space:]=]/Id" "$file" && { [ -z "$(tail --bytes=1 "$file")" ] || echo >>"$file"; } && ` +
	`{ [ $# = 0 ] || printf '%s\n' "$@" >>"$file"; } && sync "$file"`

// editDown changes postgresql.auto.conf of a node that is down: names go, lines come.
func (s *scope) editDown(d *draft, n *topology.Node, names []string, lines []line) {
	auto := s.found(n).Host.AutoConf
	if !auto.Exists || len(names)+len(lines) == 0 {
		return
	}
	argv := []string{"sh", "-c", editSettings, "sh", auto.Path, auto.Stamp, ""}
	for _, l := range lines {
		names = append(names, l.name)
		argv = append(argv, conftext.FormatSetting(l.name, l.value))
	}
	for i := range names {
		names[i] = regexp.QuoteMeta(names[i])
	}
	argv[6] = strings.Join(names, "|")
	d.command(n, "change what ALTER SYSTEM had set; no server runs", argv...)
}

// passfileOfDown writes the password file of a standby that is down, unless it logs in by a
// right password of its own.
func (s *scope) passfileOfDown(d *draft, sb *topology.Standby) {
	if !s.cluster.Replication.Role.Password.IsSet() {
		return
	}
	n, wanted := sb.Node, s.standbyPasswords(sb)
	file, now := s.found(n).Host.Passfile, s.connNow(n)
	if s.passfileFits(n, file, wanted) || s.hasPassword(now, n) && len(s.connDiffers(now, s.connInfo(sb), sb)) == 0 {
		return
	}
	s.writePassfile(d, n, file, wanted)
}

// removePrevious removes the password file of an earlier name, once the standby streams by
// the new one.
func (s *scope) removePrevious(d *draft, sb *topology.Standby) {
	n := sb.Node
	if old := s.previousPassfile(n); old != nil && slices.Contains(s.connDiffers(s.connNow(n), s.connInfo(sb), sb), "passfile") {
		s.removePassfile(d, n, *old, s.standbyPasswords(sb))
	}
}
