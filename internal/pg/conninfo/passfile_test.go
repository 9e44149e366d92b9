package conninfo

import (
	"strings"
	"testing"
)

func TestPassfile(t *testing.T) {
	const text = "# a comment\nshort:line\n10.0.0.2:*:*:replicator:other\n*:5433:*:*:by port\r\n" +
		`10.0.0.1:5432:*:replicator:a\:b\\c` + "\n" + `\*:5432:*:star:no wildcard` + "\n*:*:replication:repmgr:s3kret:more\n*:*:*:*:last"
	for _, c := range []struct{ host, port, database, user, want string }{
		{"10.0.0.1", "5432", "replication", "replicator", `a:b\c`},
		{"10.0.0.2", "1", "x", "replicator", "other"},
		{"10.0.0.9", "5433", "x", "replicator", "by port"},
		{"10.0.0.9", "5432", "x", "star", "last"},
		{"*", "5432", "x", "star", "no wildcard"},
		{"10.0.0.1", "5432", "replication", "repmgr", "s3kret"},
	} {
		if got, found := Passfile(text, c.host, c.port, c.database, c.user); !found || got != c.want {
			t.Errorf("%+v: %q, %t", c, got, found)
		}
	}
	if got, found := Passfile("*:*:*:x:y", "h", "1", "d", "u"); found {
		t.Errorf("found %q", got)
	}
}

// FuzzPassfile: a line that is written for a connection is found by it, whatever lines stand
// around it that are not for it, and no text breaks the reader.
func FuzzPassfile(f *testing.F) {
	f.Add("# c\n*:1:*:x:y\n", "h", "d", "u", "p")
	f.Add(`a\:b:*:*:*:x\`, "::1", `d\`, "*", "p:q")
	f.Add("\\\n:::::\r\n", "", "", "", "")
	f.Fuzz(func(t *testing.T, around, host, database, user, password string) {
		for _, l := range PassLines(around) {
			if !l.Overlaps(l) {
				t.Errorf("%q does not overlap with itself", l.Where)
			}
			if again := PassLines(l.Where + ":" + PassField(l.Password)); !strings.HasPrefix(l.Where, "#") && !strings.HasSuffix(l.Password, "\r") && (len(again) != 1 || again[0].Where != l.Where || again[0].Password != l.Password) {
				t.Errorf("%+v is written and read as %+v", l, again)
			}
		}
		where := strings.Join([]string{PassField(host), "*", PassField(database), PassField(user)}, ":")
		line := where + ":" + PassField(password)
		if strings.ContainsAny(line, "\r\n\x00") || strings.HasPrefix(line, "#") {
			return
		}
		if _, found := Passfile(around, host, "5432", database, user); found {
			return
		}
		text := around + "\n" + line + "\n" + around
		if got, found := Passfile(text, host, "5432", database, user); !found || got != password {
			t.Errorf("%q: found %t, %q, want %q", text, found, got, password)
		}
	})
}
