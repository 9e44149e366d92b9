// Package conninfo reads and writes libpq's connection strings: keyword=value
// pairs, and URIs for reading. It is pure (PostgreSQL docs, 34.1.1 "Connection
// Strings").
package conninfo

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Pair is one keyword with its value, without quotes.
type Pair struct{ Key, Value string }

// Format writes pairs in order, with quotes where libpq needs them.
func Format(pairs []Pair) string {
	var b strings.Builder
	for i, p := range pairs {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(p.Key + "=" + quote(p.Value))
	}
	return b.String()
}

func quote(value string) string {
	if value != "" && !strings.ContainsAny(value, " '\\\t\n\r\v\f") {
		return value
	}
	value = strings.ReplaceAll(value, `\`, `\\`)
	return "'" + strings.ReplaceAll(value, `'`, `\'`) + "'"
}

// Parse reads a connection string. Of a keyword that stands twice the last counts
// for libpq; both are answered.
func Parse(text string) ([]Pair, error) {
	if strings.HasPrefix(text, "postgresql://") || strings.HasPrefix(text, "postgres://") {
		return parseURI(text)
	}
	var pairs []Pair
	for rest := skip(text); rest != ""; rest = skip(rest) {
		key, after, ok := strings.Cut(rest, "=")
		key = strings.TrimRight(key, blanks)
		if !ok || key == "" || strings.ContainsAny(key, blanks) {
			return pairs, fmt.Errorf("missing = after %q", key)
		}
		value, left, err := scan(skip(after))
		if err != nil {
			return pairs, fmt.Errorf("value of %s: %w", key, err)
		}
		pairs, rest = append(pairs, Pair{key, value}), left
	}
	return pairs, nil
}

const blanks = " \t\n\r\v\f"

func skip(s string) string { return strings.TrimLeft(s, blanks) }

// scan reads one value. A backslash takes the next byte as it is.
func scan(s string) (value, rest string, err error) {
	quoted := strings.HasPrefix(s, "'")
	i := 0
	if quoted {
		i = 1
	}
	var b strings.Builder
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			if i++; i < len(s) {
				b.WriteByte(s[i])
			}
		case quoted && c == '\'':
			return b.String(), s[i+1:], nil
		case !quoted && strings.IndexByte(blanks, c) >= 0:
			return b.String(), s[i:], nil
		default:
			b.WriteByte(c)
		}
	}
	if quoted {
		return "", "", errors.New("unterminated quoted string")
	}
	return b.String(), "", nil
}

// parseURI reads postgresql://user:password@host:port/dbname?key=value.
func parseURI(text string) ([]Pair, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("not a connection URI") // err would quote the password
	}
	var pairs []Pair
	add := func(key, value string) {
		if value != "" {
			pairs = append(pairs, Pair{key, value})
		}
	}
	password, _ := u.User.Password()
	add("user", u.User.Username())
	add("password", password)
	add("host", u.Hostname())
	add("port", u.Port())
	add("dbname", strings.TrimPrefix(u.Path, "/"))
	for _, option := range strings.Split(u.RawQuery, "&") {
		key, value, _ := strings.Cut(option, "=")
		value, err := url.PathUnescape(value)
		if err != nil {
			return pairs, fmt.Errorf("value of %s: not a connection URI", key)
		}
		add(key, value)
	}
	return pairs, nil
}
