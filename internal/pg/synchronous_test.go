package pg

import (
	"testing"
)

func TestSameSync(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"", "", true},
		{"", "ANY 1 (a)", false},
		{"ANY 1 (a, b)", "any 1 (b,a)", true},
		{"FIRST 1 (a, b)", "FIRST 1 (b, a)", false},
		{"FIRST 1 (a, b)", "1 (a, b)", true},
		{"FIRST 1 (a, b)", "a,b", true},
		{`ANY 1 ("pg-1", "a""b")`, `ANY 1 ("a""b","pg-1")`, true},
		{`ANY 1 ("a b")`, "ANY 1 (a, b)", false},
		{"ANY 2 (a, b)", "ANY 1 (a, b)", false},
		{"ANY x (a)", "ANY 1 (a)", false},
		{`"`, `"`, true},
		{"*", "*", true},
	} {
		if got := SameSync(c.a, c.b); got != c.same {
			t.Errorf("sameSync(%q, %q) = %v", c.a, c.b, got)
		}
	}
}
