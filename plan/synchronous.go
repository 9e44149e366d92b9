package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/repltool/repltool/topology"
)

// synchronous_standby_names is written last, behind a gate: it names a standby
// only once that streams and has caught up, or commits would hang (PostgreSQL
// docs, 27.2.8 "Synchronous Replication").

func synchronous(s *scope, out *findings) {
	n := s.cluster.Primary
	d := newDraft(Update, s.syncAddress(), n)
	wanted, current := s.syncWanted(), s.syncCurrent()
	if s.cluster.Synchronous == nil && !s.syncOurs() {
		return // the topology says nothing of it, and never did
	}
	if sameSync(current, wanted) && (s.live() == nil || s.syncInBlock(wanted)) {
		out.put(d)
		return
	}
	d.after = append(s.standbyAddresses(), s.nodeAddress(n), s.parametersAddress(n), s.hbaAddress(n))
	for _, sb := range s.cluster.Standbys {
		d.after = append(d.after, s.parametersAddress(sb.Node), s.nodeAddress(sb.Node))
	}
	if !s.syncReadable(out) {
		return
	}
	d.worsen(Reload)
	d.Effect = s.syncEffect()
	d.differ(syncNames, ptr(literal(current)), ptr(literal(wanted)), "")
	now, _ := parseSync(current)
	more := s.cluster.Synchronous != nil && s.cluster.Synchronous.Number > now.number
	for _, m := range s.syncMembers() {
		if more || !slices.Contains(now.names, m.Name) { // commits wait for the others already
			d.gate(n, m)
		}
	}
	d.step(n, "write the block", s.syncFile(wanted))
	if s.live() != nil && strings.HasSuffix(s.live().Settings[syncNames].SourceFile, autoConf) {
		d.sql(n, "take the override away", "ALTER SYSTEM RESET "+syncNames+";")
	}
	d.reload(n)
	d.wait(n, "value in force", s.syncInForce(wanted), settleTimeout)
	out.put(d)
}

// gate adds the wait for one member of the set.
func (d *draft) gate(primary, m *topology.Node) {
	d.step(primary, "gate", Wait{
		Database: maintenance, Query: streaming(m.Name, syncLag), Gate: true, Timeout: 10 * time.Minute,
		What: fmt.Sprintf("%s streaming, lag < %s", m.Name, strings.ReplaceAll(bytesText(syncLag), " ", "")),
		Else: "commits would wait for a standby that is not there",
	})
}

// syncMembers answers the wanted set, in order.
func (s *scope) syncMembers() []*topology.Node {
	if s.cluster.Synchronous == nil {
		return nil
	}
	return s.cluster.Synchronous.Standbys
}

// syncWanted writes the wanted value: ANY 1 (pg2, pg3).
func (s *scope) syncWanted() string {
	y := s.cluster.Synchronous
	if y == nil {
		return ""
	}
	var names []string
	for _, n := range y.Standbys {
		names = append(names, syncIdent(n.Name))
	}
	return syncValue(y.Method, y.Number, names)
}

func syncValue(method string, number int, names []string) string {
	if number <= 0 || len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("%s %d (%s)", strings.ToUpper(method), number, strings.Join(names, ", "))
}

// syncIdent quotes a name for the value's own grammar, which is not SQL's.
func syncIdent(name string) string {
	if plainName(name) && name != "any" && name != "first" {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// syncCurrent answers the value in force.
func (s *scope) syncCurrent() string {
	if s.live() == nil {
		return ""
	}
	return s.live().InForce(syncNames)
}

// syncOurs tells whether our block sets it.
func (s *scope) syncOurs() bool {
	if s.live() == nil {
		return false
	}
	_, ok := blockOf(s.primary().Host.Conf.Text, s.cluster.Name).value(syncNames)
	return ok
}

// syncInBlock tells whether the block, and nothing after it, says the wanted value.
func (s *scope) syncInBlock(wanted string) bool {
	value, ok := blockOf(s.primary().Host.Conf.Text, s.cluster.Name).value(syncNames)
	return ok == (wanted != "") && sameSync(value, wanted) && !strings.HasSuffix(s.live().Settings[syncNames].SourceFile, autoConf)
}

// syncSet is a parsed value.
type syncSet struct {
	method string
	number int
	names  []string
}

// parseSync reads synchronous_standby_names: "", "a, b", "2 (a, b)", "ANY 1 (a, b)",
// "FIRST 1 (a, b)"; it is false for anything else.
func parseSync(value string) (syncSet, bool) {
	set := syncSet{method: "first", number: 1}
	words := syncWords(value)
	if i := slices.Index(words, "("); i >= 0 {
		head := words[:i]
		if len(head) > 0 && (strings.EqualFold(head[0], "any") || strings.EqualFold(head[0], "first")) {
			set.method, head = strings.ToLower(head[0]), head[1:]
		}
		n, err := strconv.Atoi(strings.Join(head, " "))
		if err != nil || words[len(words)-1] != ")" {
			return set, false
		}
		set.number, words = n, words[i+1:len(words)-1]
	}
	for _, w := range words {
		if strings.HasPrefix(w, `"`) {
			if len(w) < 2 || !strings.HasSuffix(w, `"`) {
				return set, false
			}
			w = strings.ReplaceAll(w[1:len(w)-1], `""`, `"`)
		}
		set.names = append(set.names, w)
	}
	return set, true
}

// syncWords parts a value into names, numbers and parentheses; a name in quotes
// keeps them.
func syncWords(value string) []string {
	var words []string
	for i := 0; i < len(value); {
		j := i + 1
		switch c := value[i]; {
		case c == '"':
			for j < len(value) && (value[j] != '"' || j+1 < len(value) && value[j+1] == '"') {
				if value[j] == '"' {
					j++
				}
				j++
			}
			j = min(j+1, len(value))
			words = append(words, value[i:j])
		case c == '(', c == ')':
			words = append(words, value[i:j])
		case strings.IndexByte(" \t\r\n\v\f,", c) < 0:
			for j < len(value) && strings.IndexByte(" \t\r\n\v\f,()\"", value[j]) < 0 {
				j++
			}
			words = append(words, value[i:j])
		}
		i = j
	}
	return words
}

// sameSync compares two values by meaning: in ANY the order of names is none.
func sameSync(a, b string) bool {
	x, okX := parseSync(a)
	y, okY := parseSync(b)
	if !okX || !okY {
		return a == b
	}
	if len(x.names) == 0 || len(y.names) == 0 {
		return len(x.names) == len(y.names)
	}
	if x.method == "any" {
		slices.Sort(x.names)
		slices.Sort(y.names)
	}
	return x.method == y.method && x.number == y.number && slices.Equal(x.names, y.names)
}

// relaxed answers the value while n is down, and the one in force: with one
// member less, commits wait for as many as are left.
func (s *scope) relaxed(n *topology.Node) (without, full string) {
	full = s.syncCurrent()
	set, ok := parseSync(full)
	if !ok || s.live() == nil || !slices.Contains(set.names, s.applicationName(n)) {
		return full, full
	}
	var left []string
	for _, sender := range s.live().Senders {
		name := sender.ApplicationName
		if sender.State == "streaming" && name != s.applicationName(n) && slices.Contains(set.names, name) {
			left = append(left, syncIdent(name))
		}
	}
	if len(left) >= set.number {
		return full, full
	}
	slices.Sort(left)
	return syncValue(set.method, len(left), left), full
}

// syncReadable is false, with a notice, when a member of the set could not be read:
// nothing is planned that rests on it.
func (s *scope) syncReadable(out *findings) bool {
	for _, m := range s.syncMembers() {
		if !s.found(m).Complete() {
			out.drift = append(out.drift, Notice{
				Address: s.syncAddress(), Node: m.Name,
				Detail: "not planned: " + m.Name + " could not be read, and commits would wait for it",
			})
			return false
		}
	}
	return true
}

func (s *scope) syncEffect() string {
	y := s.cluster.Synchronous
	switch {
	case y == nil:
		return "commits wait for no standby"
	case y.Number == 1:
		return "commits wait for 1 standby"
	default:
		return fmt.Sprintf("commits wait for %d standbys", y.Number)
	}
}

// syncFile is the block with the wanted value in it.
func (s *scope) syncFile(wanted string) File {
	n := s.cluster.Primary
	lines := withLine(s.lines(n), line{name: syncNames, value: wanted})
	was := ""
	if s.live() != nil {
		was = s.primary().Host.Conf.Text
	}
	op := s.confFile(n, lines, was)
	before := s.lines(n)
	if v, ok := blockOf(was, s.cluster.Name).value(syncNames); ok {
		before = withLine(before, line{name: syncNames, value: v})
	}
	op.Diff = linesDiff(confText(before).Text, confText(lines).Text)
	op.Check, op.Database = confErrors(), maintenance
	return op
}

// syncInForce is the query that is true once the server uses the value.
func (s *scope) syncInForce(wanted string) string {
	return "SELECT setting = " + literal(wanted) + " FROM pg_settings WHERE name = " + literal(syncNames)
}
