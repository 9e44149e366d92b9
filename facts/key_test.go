package facts

import (
	"regexp"
	"strings"
	"testing"
)

func TestKey(t *testing.T) {
	seen := map[string]string{}
	for dir, want := range map[string]string{
		"/var/lib/postgresql/15/main":  "var-lib-postgresql-15-main",
		"/srv/a-b/c":                   "srv-a_2db-c",
		"/srv/a/b-c":                   "srv-a-b_2dc",
		"/srv/a_2db/c":                 "srv-a_5f2db-c",
		"/.hidden/x":                   "_2ehidden-x",
		"/srv/\xff \n":                 "srv-_ff_20_0a",
		"/" + strings.Repeat("a", 101): "",
		"/" + strings.Repeat("a", 102): "",
	} {
		key := (&Host{DataDir: dir}).Key()
		if want != "" && key != want {
			t.Errorf("%q: key %q, want %q", dir, key, want)
		}
		if !regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`).MatchString(key) || len(key) > maxKey {
			t.Errorf("%q: key %q is no job's id", dir, key)
		}
		if other, is := seen[key]; is {
			t.Errorf("%q and %q have the key %q", dir, other, key)
		}
		seen[key] = dir
	}
}
