// Package conninfo reads and writes libpq's connection strings.
//
// Rules:
//   - what is read here is what libpq reads in the same bytes, but for the names of
//     the parameters: libpq refuses those that its version does not know, and here
//     any name goes;
//   - no error quotes a value: it may be a password;
//   - the package is pure.
//
// PostgreSQL docs, 34.1.1 "Connection Strings".
package conninfo

import (
	"errors"
	"fmt"
	"strings"
)

// Pair is one parameter.
type Pair struct{ Key, Value string }

// Parse reads a connection string in either form, key = value or URI. The pairs
// come in the order written; of two with one key the later one counts.
func Parse(text string) ([]Pair, error) {
	if i := strings.IndexByte(text, 0); i >= 0 {
		return nil, fmt.Errorf("connection string: a NUL byte at %d", i)
	}
	read := parseKeyValue
	for _, prefix := range []string{"postgresql://", "postgres://"} {
		if rest, ok := strings.CutPrefix(text, prefix); ok {
			text, read = rest, parseURI
			break
		}
	}
	pairs, err := read(text)
	if err != nil {
		return nil, fmt.Errorf("connection string: %w", err)
	}
	return pairs, nil
}

// Map returns the parameters by key: none for a text that is no connection string.
func Map(text string) map[string]string {
	pairs, _ := Parse(text)
	m := make(map[string]string, len(pairs))
	for _, p := range pairs {
		m[p.Key] = p.Value
	}
	return m
}

// Format writes pairs so that libpq reads the same ones.
func Format(pairs []Pair) string {
	words := make([]string, len(pairs))
	for i, p := range pairs {
		words[i] = p.Key + "=" + quote(p.Value)
	}
	return strings.Join(words, " ")
}

func quote(value string) string {
	if value != "" && !strings.ContainsAny(value, blanks+`'\`) {
		return value
	}
	return `'` + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + `'`
}

// blanks are what isspace knows in the C locale.
const blanks = " \t\n\v\f\r"

func parseKeyValue(text string) ([]Pair, error) {
	var pairs []Pair
	for rest := skip(text); rest != ""; rest = skip(rest) {
		end := strings.IndexAny(rest, blanks+"=")
		if end < 0 {
			end = len(rest)
		}
		key, after := rest[:end], skip(rest[end:])
		if !strings.HasPrefix(after, "=") {
			return nil, fmt.Errorf("missing = after the parameter at byte %d", len(text)-len(rest))
		}
		if key == "" {
			return nil, fmt.Errorf("missing name before = at byte %d", len(text)-len(rest))
		}
		value, left, err := parseValue(skip(after[1:]))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		pairs, rest = append(pairs, Pair{key, value}), left
	}
	return pairs, nil
}

func skip(text string) string { return strings.TrimLeft(text, blanks) }

// parseValue reads one value, bare or in quotes, and returns what follows it. A
// backslash takes the next byte as it is.
func parseValue(text string) (value, rest string, err error) {
	quoted := strings.HasPrefix(text, "'")
	ends := blanks
	if quoted {
		text, ends = text[1:], "'"
	}
	if i := strings.IndexAny(text, ends+`\`); i >= 0 && text[i] != '\\' { // nothing to take out
		return text[:i], text[i+1:], nil
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case strings.IndexByte(ends, c) >= 0:
			return b.String(), text[i+1:], nil
		case c != '\\':
			b.WriteByte(c)
		case i+1 < len(text):
			i++
			b.WriteByte(text[i])
		}
	}
	if quoted {
		return "", "", errors.New("the quoted value is not terminated")
	}
	return b.String(), "", nil
}
