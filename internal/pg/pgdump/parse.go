// Package pgdump reads what pg_restore writes of a schema, and chooses from it what
// some tables need.
//
// The text is that of
//
//	pg_dump -Fc --schema-only … | pg_restore --verbose -f -
//
// where a comment tells of every entry its number, its object's OID, its dependencies
// and its kind. pg_dump knows how to write each object of its server's version, and in
// which order; nothing of that is done again here.
//
// Rules:
//   - an object is told by its OID: names in comments have lost their line breaks;
//   - a statement is taken as it is written; settings of the session and commands of
//     psql (\restrict) are not statements of an entry;
//   - the package is pure.
package pgdump

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Object is a row of a system catalog.
type Object struct {
	Class uint32 `json:"class"` // the OID of the catalog
	OID   uint32 `json:"oid"`
}

// Relations is the class of tables, sequences and indexes: pg_class.
const Relations = 1259

// Entry is one entry of a dump.
type Entry struct {
	ID         int
	Object     Object // zero for what has no row of its own
	DependsOn  []int  // IDs
	Kind       string // "TABLE", "FK CONSTRAINT", …
	Label      string // name and schema, for people
	Statements []string
}

var (
	entryLine   = regexp.MustCompile(`^-- TOC entry (\d+) \(class (\d+) OID (\d+)\)$`)
	dependsLine = regexp.MustCompile(`^-- Dependencies:((?: \d+)+)$`)
	nameLine    = regexp.MustCompile(`^-- Name: (.*); Type: ([A-Z ]+); Schema: (.*); Owner: `)
)

// Parse returns the entries in the order of the text.
func Parse(text string) []Entry {
	r := reader{text: text}
	for r.at < len(r.text) {
		r.step()
	}
	r.endEntry()
	return r.entries
}

// reader is a place in the text, outside of statements or in one.
type reader struct {
	text    string
	at      int
	begin   int  // of the statement
	within  bool // something of it was seen
	entries []Entry
	entry   *Entry // nil before the first
}

func (r *reader) step() {
	rest := r.text[r.at:]
	switch c := rest[0]; {
	case strings.HasPrefix(rest, "--"):
		line := r.line()
		if !r.within {
			r.comment(line)
		}
	case c == '\\' && !r.within:
		r.line()
	case c == ';':
		r.at++
		r.endStatement()
	case strings.IndexByte(" \t\r\n", c) >= 0:
		r.at++
	default:
		if !r.within {
			r.begin, r.within = r.at, true
		}
		r.at += tokenEnd(r.text, r.at) - r.at
	}
}

// line passes the rest of the line.
func (r *reader) line() string {
	line, _, _ := strings.Cut(r.text[r.at:], "\n")
	r.at += min(len(line)+1, len(r.text)-r.at)
	return line
}

func (r *reader) comment(line string) {
	if m := entryLine.FindStringSubmatch(line); m != nil {
		r.endEntry()
		r.entry = &Entry{ID: number(m[1]), Object: Object{uint32(number(m[2])), uint32(number(m[3]))}}
		return
	}
	if r.entry == nil || r.entry.Kind != "" {
		return
	}
	if m := dependsLine.FindStringSubmatch(line); m != nil {
		for _, id := range strings.Fields(m[1]) {
			r.entry.DependsOn = append(r.entry.DependsOn, number(id))
		}
	} else if m := nameLine.FindStringSubmatch(line); m != nil {
		r.entry.Kind, r.entry.Label = m[2], m[1]
		if m[3] != "-" {
			r.entry.Label = m[3] + "." + m[1]
		}
	}
}

func number(digits string) int {
	n, _ := strconv.ParseInt(digits, 10, 64) // the pattern has digits only
	return int(n)
}

func (r *reader) endEntry() {
	if r.entry != nil {
		r.entries = append(r.entries, *r.entry)
		r.detach()
	}
	r.entry = nil
}

// detach makes an entry of its own of a partition's ATTACH PARTITION: pg_dump of
// PostgreSQL 13 has it in that of the table.
func (r *reader) detach() {
	table := &r.entries[len(r.entries)-1]
	i := slices.IndexFunc(table.Statements, attaches)
	if table.Kind != "TABLE" || i < 0 {
		return
	}
	attach := Entry{
		ID: -table.ID, DependsOn: append([]int{table.ID}, table.DependsOn...), Kind: "TABLE ATTACH", Label: table.Label,
		Statements: []string{table.Statements[i]},
	}
	table.Statements = slices.Delete(table.Statements, i, i+1)
	r.entries = append(r.entries, attach)
}

func attaches(statement string) bool {
	const before, words = "ALTER TABLE ONLY ", " ATTACH PARTITION "
	if !strings.HasPrefix(statement, before) {
		return false
	}
	at := len(before) // the name of the parent
	for at < len(statement) && statement[at] != ' ' {
		at = tokenEnd(statement, at)
	}
	return strings.HasPrefix(statement[at:], words)
}

func (r *reader) endStatement() {
	statement := r.text[r.begin:r.at]
	if r.within && r.entry != nil && !setting(statement) {
		r.entry.Statements = append(r.entry.Statements, statement)
	}
	r.within = false
}

// setting recognizes what pg_restore sets for the session before an entry.
func setting(statement string) bool {
	return strings.HasPrefix(statement, "SET ") || strings.HasPrefix(statement, "SELECT pg_catalog.set_config(")
}

// tokenEnd returns where a quoted text, a word or a single sign ends. A quote that is
// not closed ends with the text.
func tokenEnd(text string, at int) int {
	c := text[at]
	switch {
	case c == '\'' || c == '"':
		return quoteEnd(text, at, false)
	case (c == 'E' || c == 'e') && strings.HasPrefix(text[at+1:], "'"):
		return quoteEnd(text, at+1, true)
	case c == '$':
		return dollarEnd(text, at)
	case wordByte(c):
		end := at
		for end < len(text) && (wordByte(text[end]) || text[end] == '$') {
			end++
		}
		return end
	}
	return at + 1
}

func wordByte(c byte) bool {
	return c == '_' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func quoteEnd(text string, at int, escapes bool) int {
	for i := at + 1; i < len(text); i++ {
		switch {
		case escapes && text[i] == '\\':
			i++
		case text[i] == text[at]:
			return i + 1 // a doubled one opens another quote right away
		}
	}
	return len(text)
}

var dollarTag = regexp.MustCompile(`^\$(?:[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*)?\$`)

func dollarEnd(text string, at int) int {
	tag := dollarTag.FindString(text[at:])
	if tag == "" {
		return at + 1
	}
	end := strings.Index(text[at+len(tag):], tag)
	if end < 0 {
		return len(text)
	}
	return at + len(tag) + end + len(tag)
}
