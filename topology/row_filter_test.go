package topology

import (
	"strings"
	"testing"
)

func TestRowFilter(t *testing.T) {
	for text, want := range map[string]string{
		"a > 0":                     "a > 0",
		" (a > 0) ":                 "a > 0",
		"((a > 0))":                 "a > 0",
		"(a > 0) or (b > 0)":        "(a > 0) or (b > 0)",
		"((a > 0) or (b > 0))":      "(a > 0) or (b > 0)",
		"(a = ')') and (b = '(')":   "(a = ')') and (b = '(')",
		"(a = ') and (b = ')":       "a = ') and (b = '",
		`(")" = '''')`:              `")" = ''''`,
		`(a = E'\'')`:               `a = E'\''`,
		`(a = E'x''\')')`:           `a = E'x''\')'`,
		`(a = '\')`:                 `a = '\'`,
		"(a = $$)$$)":               "a = $$)$$",
		"(a = $q$ $$ ) ' $q$)":      "a = $q$ $$ ) ' $q$",
		"(f($1) = a$b)":             "f($1) = a$b",
		"a - -1 > 0":                "a - -1 > 0",
		"a = '--' or b = '/* ; */'": "a = '--' or b = '/* ; */'",
		"a > 0\n\tand b > 0":        "a > 0\n\tand b > 0",
	} {
		if why := filterText(strings.TrimSpace(text)); why != "" {
			t.Errorf("%s: %s", text, why)
		}
		if got := WithoutParentheses(text); got != want {
			t.Errorf("%s becomes %s; want %s", text, got, want)
		}
	}
	for _, text := range []string{
		"", "()", "(", ")", "a)", "(a", "a) or (b", "'", `"a`, "$$", "$a$ $b$", "E'\\'", "a; b", "a -- b", "a /* b */", "a\x00", "\xff",
	} {
		if filterText(text) == "" {
			t.Errorf("%q is taken", text)
		}
	}
}

// FuzzRowFilter: what is taken stays within parentheses, and taking them off
// leaves what would be taken again, as it is.
func FuzzRowFilter(f *testing.F) {
	for _, seed := range []string{"(a > 0)", "(a) or (b)", `(a = E'\'')`, "$x$)$x$", "((a))", `"(" = ')'`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.TrimSpace(text)
		if filterText(text) != "" {
			return
		}
		bare := WithoutParentheses(text)
		if why := filterText("(" + text + ")"); why != "" {
			t.Fatalf("%q in parentheses: %s", text, why)
		}
		if why := filterText(bare); why != "" || WithoutParentheses(bare) != bare || WithoutParentheses("("+text+")") != bare {
			t.Fatalf("%q becomes %q: %s", text, bare, why)
		}
	})
}
