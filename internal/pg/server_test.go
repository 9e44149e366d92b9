package pg

import (
	"strings"
	"testing"

	"github.com/repltool/repltool/internal/pgtest"
)

// TestIdent compares with the server's quote_ident over every keyword and some
// names that hurt.
func TestIdent(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{})
	names := []string{"a", "A", "a b", `a"b`, "é", "1a", "a1_", "$a", "a$", "a'b", "\\", "user"}
	for _, row := range s.Query(t, "SELECT word FROM pg_get_keywords()") {
		names = append(names, row[0])
	}
	for _, name := range names {
		row := s.Query(t, "SELECT quote_ident("+Literal(name)+"), "+Literal(name))
		if got := Ident(name); got != row[0][0] && !newerKeyword(name) {
			t.Errorf("ident(%q) = %s, quote_ident says %s", name, got, row[0][0])
		}
		if row[0][1] != name {
			t.Errorf("literal(%q) came back as %q", name, row[0][1])
		}
	}
}

// newerKeyword recognizes the words that are reserved in versions after 15 only:
// they are quoted everywhere.
func newerKeyword(name string) bool {
	return strings.HasPrefix(name, "json") || name == "merge_action" || name == "system_user"
}
