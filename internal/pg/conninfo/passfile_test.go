package conninfo

import "testing"

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
