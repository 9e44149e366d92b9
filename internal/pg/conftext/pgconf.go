package conftext

import "strings"

// Directive is what a line of postgresql.conf does.
type Directive string

// The directives.
const (
	Set             Directive = "set"
	Include         Directive = "include"
	IncludeIfExists Directive = "include_if_exists"
	IncludeDir      Directive = "include_dir"
	// Invalid lines stop the server at its next start, and keep it from reading
	// the file again.
	Invalid Directive = "invalid"
)

// Setting is one line of postgresql.conf as the server reads it.
type Setting struct {
	Line      int
	Directive Directive
	Name      string // as written; compare with SameName
	Value     string // without quotes and escapes
}

// SameName reports whether two names are one parameter's: case does not count.
func SameName(a, b string) bool { return foldASCII(a) == foldASCII(b) }

func foldASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// ParseConf reads postgresql.conf's lines, in order. Files that it includes are
// named, not read.
func ParseConf(text string) []Setting {
	var all []Setting
	l := &confLexer{text: text, line: 1}
	for {
		s, ok := l.entry()
		if s.Directive != "" {
			all = append(all, s)
		}
		if !ok {
			return all
		}
	}
}

// entry reads one line of the file; false at its end.
func (l *confLexer) entry() (Setting, bool) {
	name := l.next()
	switch name.kind {
	case tokEOF:
		return Setting{}, false
	case tokEOL:
		return Setting{}, true
	case tokID, tokQualifiedID:
	default:
		return l.invalid(name)
	}
	value := l.next()
	if value.kind == tokEquals {
		value = l.next()
	}
	switch value.kind {
	case tokID, tokString, tokUnquoted, tokNumber:
	default:
		return l.invalid(value)
	}
	end := l.next()
	if end.kind != tokEOL && end.kind != tokEOF {
		return l.invalid(end)
	}
	s := Setting{Line: name.line, Directive: directiveOf(name.text), Name: name.text, Value: value.text}
	if value.kind == tokString {
		s.Value = unquote(value.text)
	}
	return s, end.kind != tokEOF
}

// invalid skips the rest of a line that the server does not understand.
func (l *confLexer) invalid(at confToken) (Setting, bool) {
	s := Setting{Line: at.line, Directive: Invalid}
	for at.kind != tokEOL && at.kind != tokEOF {
		at = l.next()
	}
	return s, at.kind != tokEOF
}

func directiveOf(name string) Directive {
	switch d := Directive(foldASCII(name)); d {
	case Include, IncludeIfExists, IncludeDir:
		return d
	}
	return Set
}

// unquote does what DeescapeQuotedString of guc-file.l does.
func unquote(s string) string {
	s = s[1 : len(s)-1]
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i += unescape(&b, s[i+1:])
		case s[i] == '\'' && i+1 < len(s) && s[i+1] == '\'':
			i++
			b.WriteByte('\'')
		default:
			b.WriteByte(s[i])
		}
	}
	// The server's strings end at a zero byte.
	value, _, _ := strings.Cut(b.String(), "\x00")
	return value
}

// unescape writes what stands after a backslash and returns how many bytes of it
// were used.
func unescape(b *strings.Builder, s string) int {
	if i := strings.IndexByte("bfnrt", s[0]); i >= 0 {
		b.WriteByte("\b\f\n\r\t"[i])
		return 1
	}
	n, octal := 0, 0
	for n < 3 && n < len(s) && '0' <= s[n] && s[n] <= '7' {
		octal = octal<<3 + int(s[n]-'0')
		n++
	}
	if n > 0 {
		b.WriteByte(byte(octal))
		return n
	}
	b.WriteByte(s[0])
	return 1
}

// FormatSetting returns the line that sets a parameter, without its end. A value
// that no line can hold (a zero byte) is cut there by the server; callers check.
func FormatSetting(name, value string) string { return name + " = " + QuoteValue(value) }

// QuoteValue quotes a value for postgresql.conf.
func QuoteValue(value string) string {
	var b strings.Builder
	b.WriteByte('\'')
	for i := range len(value) {
		switch c := value[i]; c {
		case '\'':
			b.WriteString("''")
		case '\\':
			b.WriteString(`\\`)
		case '\n', '\r', '\b', '\f', '\t':
			b.WriteByte('\\')
			b.WriteByte("nrbft"[strings.IndexByte("\n\r\b\f\t", c)])
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('\'')
	return b.String()
}
