package conftext

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func hbaSeeds() []string {
	return []string{
		"", "# c\n", "local all all peer\n", "local all postgres peer map=m # c\r\n", "host all all 10.0.0.0/8 scram-sha-256\n",
		"host all all 10.0.0.1 255.255.255.0 md5", "host all all ::1/128 trust\nlocal x y reject\n", `local "all" "a ""b"" c" peer`,
		`local a,b , c  u1,"u 2" peer`, "local a, b u peer", "local\\\n all all peer\nlocal all all reject", "local all all peer\\", "local all all peer\\\\\n\nlocal a b peer\n",
		`local a"b c"d e peer`, "local all all peer#c", "hostssl all all samenet cert clientcert=verify-full", "host all all .example.net md5\n",
		`host all all 0.0.0.0/0 ldap ldapserver=h ldapprefix="cn=a b" ldapsuffix=",dc=x"`, "host all +grp all md5", `local "" "" peer`, "local , a peer", "local all all", "x\n", "local all all peer extra\n",
		"host all all 300.0.0.1/8 md5\n", "host all all 10.0.0.0/33 md5\n", "local\tall\tall\ttrust\n", "host all all a,b md5\n", "host all all 10.0.0.1/8 255.0.0.0 md5\n",
		"host all all 10.0.0.1 255.0.255.0 md5\n", "local all all peer,x\n", "host,local all all peer\n",
	}
}

// serverForm returns our reading of a line in the form of server.rules, for a line that
// the server accepts.
func serverForm(l HBALine) (string, error) {
	r, err := l.Rule()
	if err != nil {
		return "", err
	}
	bare := func(words []string) string {
		plain := make([]string, len(words))
		for i, w := range words {
			plain[i] = w
			if isQuotedHBA(w) {
				plain[i] = strings.ReplaceAll(w[1:len(w)-1], `""`, `"`)
			}
		}
		return strings.Join(plain, ",")
	}
	address, mask := serverAddress(r.Address)
	var options []string
	for _, o := range r.Options {
		options = append(options, o.Name+"="+o.Value)
	}
	return fmt.Sprintf("%q", []string{
		strconv.Itoa(l.Line), r.Type, bare(r.Database), bare(r.User), address, mask, r.Method, strings.Join(options, ","), "",
	}), nil
}

// serverAddress cuts an address in two as pg_hba_file_rules does.
func serverAddress(a string) (address, mask string) {
	p, err := netip.ParsePrefix(a)
	if err != nil {
		return a, ""
	}
	bits := make([]byte, p.Addr().BitLen()/8)
	for i := range p.Bits() {
		bits[i/8] |= 0x80 >> (i % 8)
	}
	m, _ := netip.AddrFromSlice(bits)
	return p.Addr().String(), m.String()
}

// comparableHBA leaves out what the server reads further than words: files, and
// addresses and options that it writes in another way.
func comparableHBA(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsAny(text, "\x00@") && len(text) < 4000 && !strings.Contains(text, "=")
}

func FuzzPgHba(f *testing.F) {
	for _, text := range hbaSeeds() {
		f.Add(text)
	}
	s := startServer(f)
	f.Fuzz(func(t *testing.T, text string) {
		if !comparableHBA(text) {
			return
		}
		for _, l := range ParseHBA(text) {
			for _, field := range l.Fields {
				for _, w := range field {
					if len(w.Text) > 200 {
						return
					}
				}
			}
		}
		compareHBA(t, text, s.rules(t, text))
	})
}

// compareHBA holds every line that the server accepts against ours; a line that it
// refuses must at least begin where we see one.
func compareHBA(t *testing.T, text string, server []string) {
	t.Helper()
	lines := ParseHBA(text)
	if len(lines) != len(server) {
		t.Fatalf("%q: the server sees %d lines, we %d: %q", text, len(server), len(lines), server)
	}
	for i, l := range lines {
		if strings.HasSuffix(server[i], ` "invalid"]`) {
			if want := fmt.Sprintf("[%q ", strconv.Itoa(l.Line)); !strings.HasPrefix(server[i], want) {
				t.Errorf("%q: line %d: %s", text, l.Line, server[i])
			}
			continue
		}
		got, err := serverForm(l)
		if err != nil && (strings.Contains(err.Error(), "is not contiguous") || strings.Contains(err.Error(), "four parts")) {
			continue
		}
		if err != nil || got != server[i] {
			t.Errorf("%q:\nserver %s\nours   %s, %v", text, server[i], got, err)
		}
	}
}

// Whatever names a rule has, the server reads them back.
func FuzzHBARule(f *testing.F) {
	for _, n := range []string{"a", "all", "replication", "+g", "@f", "a b", "a,b", `a"b`, "", "#x", `b\`, "ü", "sameuser", `""`, `"a`} {
		f.Add(n, n)
	}
	s := startServer(f)
	f.Fuzz(func(t *testing.T, database, user string) {
		r := HBARule{Type: "host", Database: []string{LiteralDatabase(database), "all"}, User: []string{LiteralUser(user)}, Address: "10.0.0.0/8", Method: "scram-sha-256"}
		if r.Check() != nil || !utf8.ValidString(database+user) {
			return
		}
		lines := ParseHBA(r.String())
		if len(lines) != 1 || lines[0].Fields[1][0].Text != database || lines[0].Fields[2][0].Text != user {
			t.Fatalf("%s: %+v", r, lines)
		}
		back, err := lines[0].Rule()
		if diff := cmp.Diff(r, back); err != nil || diff != "" {
			t.Errorf("%v, %s", err, diff)
		}
		want := fmt.Sprintf("%q", []string{"1", "host", database + ",all", user, "10.0.0.0", "255.0.0.0", "scram-sha-256", "", ""})
		if got := s.rules(t, r.String()); len(got) != 1 || got[0] != want {
			t.Errorf("%s: the server reads %q, not %s", r, got, want)
		}
	})
}

func TestHBARuleString(t *testing.T) {
	for want, r := range map[string]HBARule{
		"host  replication  replicator  10.0.0.2/32  scram-sha-256": {
			Type: "host", Database: []string{"replication"}, User: []string{"replicator"}, Address: "10.0.0.2/32", Method: "scram-sha-256",
		},
		`local  "all","my db"  +"the group",@"a file"  peer  map="a b"`: {
			Type: "local", Database: []string{`"all"`, "my db"}, User: []string{"+the group", "@a file"}, Method: "peer", Options: []HBAOption{{"map", "a b"}},
		},
	} {
		got := r.String()
		got = strings.Replace(got, `"map=a b"`, `map="a b"`, 1)
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if err := r.Check(); err != nil {
			t.Error(err)
		}
	}
	if (HBARule{Type: "local", Database: []string{"a\nb"}, User: []string{"u"}, Method: "peer"}).Check() == nil {
		t.Error("a name with a line end is taken")
	}
}

// The server's resolver takes a number for a mask; read as a method it would be another rule.
func TestNumericMask(t *testing.T) {
	for _, mask := range []string{"0", "255.0", "0xff000000"} {
		lines := ParseHBA("host 0 0 0.0.0.0 " + mask + " md5\n")
		if r, err := lines[0].Rule(); err == nil {
			t.Errorf("mask %s: read as %+v", mask, r)
		}
	}
}
