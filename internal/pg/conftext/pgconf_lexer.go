package conftext

import "strings"

// confLexer cuts postgresql.conf into the tokens of guc-file.l: at each place the
// longest match wins, and among equals the first of the rules.
type confLexer struct {
	text string
	pos  int
	line int
}

type confKind int

const (
	tokEOF confKind = iota
	tokEOL
	tokID
	tokQualifiedID
	tokString
	tokUnquoted
	tokNumber
	tokEquals
	tokError
)

type confToken struct {
	kind confKind
	text string
	line int
}

// next returns the next token; blanks and comments are none.
func (l *confLexer) next() confToken {
	for l.pos < len(l.text) {
		switch c := l.text[l.pos]; c {
		case ' ', '\t', '\r':
			l.pos++
		case '#':
			if end := strings.IndexByte(l.text[l.pos:], '\n'); end >= 0 {
				l.pos += end
			} else {
				l.pos = len(l.text)
			}
		case '\n':
			l.pos++
			l.line++
			return confToken{kind: tokEOL, line: l.line - 1}
		default:
			return l.word(l.text[l.pos:])
		}
	}
	return confToken{kind: tokEOF, line: l.line}
}

// word returns the longest token that s begins with.
func (l *confLexer) word(s string) confToken {
	best, kind := 0, tokError
	for _, rule := range []struct {
		kind confKind
		size func(string) int
	}{
		{tokID, sizeID},
		{tokQualifiedID, sizeQualifiedID},
		{tokString, sizeString},
		{tokUnquoted, sizeUnquoted},
		{tokNumber, sizeInteger},
		{tokNumber, sizeReal},
		{tokEquals, sizeEquals},
	} {
		if n := rule.size(s); n > best {
			best, kind = n, rule.kind
		}
	}
	l.pos += max(best, 1)
	return confToken{kind: kind, text: s[:max(best, 1)], line: l.line}
}

func isLetter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c >= 0x80
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// run counts the bytes of s from i on that ok accepts.
func run(s string, i int, ok func(byte) bool) int {
	n := 0
	for i+n < len(s) && ok(s[i+n]) {
		n++
	}
	return n
}

func sizeID(s string) int {
	if !isLetter(s[0]) {
		return 0
	}
	return run(s, 0, func(c byte) bool { return isLetter(c) || isDigit(c) })
}

func sizeQualifiedID(s string) int {
	n := sizeID(s)
	if n == 0 || n+1 >= len(s) || s[n] != '.' {
		return 0
	}
	if m := sizeID(s[n+1:]); m > 0 {
		return n + 1 + m
	}
	return 0
}

func sizeUnquoted(s string) int {
	if !isLetter(s[0]) {
		return 0
	}
	return run(s, 0, func(c byte) bool { return isLetter(c) || isDigit(c) || strings.IndexByte("-._:/", c) >= 0 })
}

// sizeString measures a quoted value: a doubled quote or a backslash's follower
// does not end it; the line's end does, at the last place where it could end.
func sizeString(s string) int {
	if s[0] != '\'' {
		return 0
	}
	end := 0
	for i := 1; i < len(s) && s[i] != '\n'; i++ {
		switch s[i] {
		case '\\':
			if i++; i >= len(s) || s[i] == '\n' {
				return end
			}
		case '\'':
			end = i + 1
			if end >= len(s) || s[end] != '\'' {
				return end
			}
			i++
		}
	}
	return end
}

func sizeInteger(s string) int {
	i := sign(s)
	n := run(s, i, isDigit)
	if i+1 < len(s) && s[i] == '0' && s[i+1] == 'x' {
		if h := run(s, i+2, isHex); h > 0 {
			n = 2 + h
		}
	}
	if n == 0 {
		return 0
	}
	return i + n + run(s, i+n, func(c byte) bool { return isLetter(c) && c < 0x80 && c != '_' })
}

func sizeReal(s string) int {
	i := sign(s)
	i += run(s, i, isDigit)
	if i >= len(s) || s[i] != '.' {
		return 0
	}
	i++
	i += run(s, i, isDigit)
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		e := i + 1 + sign(s[i+1:])
		if n := run(s, e, isDigit); n > 0 {
			return e + n
		}
	}
	return i
}

func sizeEquals(s string) int {
	if s[0] == '=' {
		return 1
	}
	return 0
}

func sign(s string) int {
	if s != "" && (s[0] == '-' || s[0] == '+') {
		return 1
	}
	return 0
}

func isHex(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' }
