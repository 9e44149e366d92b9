package pg

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The grammar of synchronous_standby_names (PostgreSQL docs, 20.6.2).

// SyncSet is a parsed value.
type SyncSet struct {
	Method string
	Number int
	Names  []string
}

// Has reports whether the set names a standby, as the server compares: without regard to
// case, and * is every one (SyncRepGetStandbyPriority).
func (set SyncSet) Has(name string) bool {
	return slices.ContainsFunc(set.Names, func(n string) bool { return n == "*" || strings.EqualFold(n, name) })
}

// Every reports whether the set is whoever streams.
func (set SyncSet) Every() bool { return slices.Contains(set.Names, "*") }

// ParseSync reads synchronous_standby_names: "", "a, b", "2 (a, b)", "ANY 1 (a, b)",
// "FIRST 1 (a, b)"; it is false for anything else.
func ParseSync(value string) (SyncSet, bool) {
	set := SyncSet{Method: "first", Number: 1}
	words := syncWords(value)
	if i := slices.Index(words, "("); i >= 0 {
		head := words[:i]
		if len(head) > 0 && (strings.EqualFold(head[0], "any") || strings.EqualFold(head[0], "first")) {
			set.Method, head = strings.ToLower(head[0]), head[1:]
		}
		n, err := strconv.Atoi(strings.Join(head, " "))
		if err != nil || words[len(words)-1] != ")" {
			return set, false
		}
		set.Number, words = n, words[i+1:len(words)-1]
	}
	for _, w := range words {
		if strings.HasPrefix(w, `"`) {
			if len(w) < 2 || !strings.HasSuffix(w, `"`) {
				return set, false
			}
			w = strings.ReplaceAll(w[1:len(w)-1], `""`, `"`)
		}
		set.Names = append(set.Names, w)
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

// SameSync compares two values by meaning: in ANY the order of names is none.
func SameSync(a, b string) bool {
	x, okX := ParseSync(a)
	y, okY := ParseSync(b)
	if !okX || !okY {
		return a == b
	}
	if len(x.Names) == 0 || len(y.Names) == 0 {
		return len(x.Names) == len(y.Names)
	}
	if x.Method == "any" {
		slices.Sort(x.Names)
		slices.Sort(y.Names)
	}
	return x.Method == y.Method && x.Number == y.Number && slices.Equal(x.Names, y.Names)
}

func SyncValue(method string, number int, names []string) string {
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

func SyncIdents(names []string) []string {
	var all []string
	for _, name := range names {
		all = append(all, syncIdent(name))
	}
	return all
}
