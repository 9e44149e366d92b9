package plan

import (
	"slices"
	"strconv"
	"strings"
)

// The grammar of synchronous_standby_names (PostgreSQL docs, 20.6.2).

// syncSet is a parsed value.
type syncSet struct {
	method string
	number int
	names  []string
}

// has tells whether the set names a standby, as the server compares: without regard to
// case, and * is every one (SyncRepGetStandbyPriority).
func (set syncSet) has(name string) bool {
	return slices.ContainsFunc(set.names, func(n string) bool { return n == "*" || strings.EqualFold(n, name) })
}

// every tells that the set is whoever streams.
func (set syncSet) every() bool { return slices.Contains(set.names, "*") }

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
