package conninfo

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text string
		want []Pair
		fail string
	}{
		{text: ""},
		{text: " \t\n"},
		{text: "host=a port=1", want: []Pair{{"host", "a"}, {"port", "1"}}},
		{text: " host = 'a b'\tuser='it\\'s' ", want: []Pair{{"host", "a b"}, {"user", "it's"}}},
		{text: `password=a\ b\\c`, want: []Pair{{"password", `a b\c`}}},
		{text: `password=a\`, want: []Pair{{"password", `a`}}},
		{text: `password='a'user=b`, want: []Pair{{"password", `a`}, {"user", "b"}}},
		{text: `password=a'b'`, want: []Pair{{"password", `a'b'`}}},
		{text: "password=''", want: []Pair{{"password", ""}}},
		{text: "password=", want: []Pair{{"password", ""}}},
		{text: "user= password=x", want: []Pair{{"user", "password=x"}}},
		{text: "user=a user=b", want: []Pair{{"user", "a"}, {"user", "b"}}},
		{text: "host", fail: "missing = after"},
		{text: "host canary", fail: "missing = after"},
		{text: "=canary", fail: "missing name"},
		{text: "host='canary", fail: "host: the quoted value is not terminated"},
		{text: "host='canary\\'", fail: "host: the quoted value is not terminated"},
		{text: "host=\x00", fail: "NUL"},
		{text: "postgresql://u:p%40@h:5/db?sslmode=require", want: []Pair{{"user", "u"}, {"password", "p@"}, {"host", "h"}, {"port", "5"}, {"dbname", "db"}, {"sslmode", "require"}}},
		{text: "postgres://"},
		{text: "postgres://h1:1,h2,[::1]:3/", want: []Pair{{"host", "h1,h2,::1"}, {"port", "1,,3"}}},
		{text: "postgres://?ssl=true&application_name=a%20b", want: []Pair{{"sslmode", "require"}, {"application_name", "a b"}}},
		{text: "postgres://%2Fvar%2Frun/db", want: []Pair{{"host", "/var/run"}, {"dbname", "db"}}},
		{text: "postgres://u:canary%4@h", fail: "password: a percent sign"},
		{text: "postgres://u:canary%00@h", fail: "password: a percent sign"},
		{text: "postgres://[::1", fail: "]"},
		{text: "postgres://[]", fail: "empty"},
		{text: "postgres://[::1]x", fail: "an IPv6 address must be followed by"},
		{text: "postgres://h?canary", fail: "no ="},
		{text: "postgres://h?a=canary=b", fail: "two ="},
	} {
		got, err := Parse(c.text)
		switch {
		case c.fail != "" && (err == nil || !strings.Contains(err.Error(), c.fail) || strings.Contains(err.Error(), "canary")):
			t.Errorf("%q: error %v", c.text, err)
		case c.fail == "" && err != nil:
			t.Errorf("%q: %v", c.text, err)
		case c.fail == "":
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("%q: %s", c.text, d)
			}
		}
	}
}

func values() []string {
	return []string{
		"", "a", "it's", `\`, `\\`, "a b", " ", "\n", "\t\v\f\r", "é", "'", `\'`, `'\`, "=", "a=b", `"`, "%", "😀", "\x01", strings.Repeat("'\\ ", 50),
	}
}

// FuzzRoundTrip: what Format writes, Parse reads back.
func FuzzRoundTrip(f *testing.F) {
	for _, s := range values() {
		f.Add(s, "b")
		f.Add("a", s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if strings.ContainsRune(a+b, 0) {
			return
		}
		want := []Pair{{"host", a}, {"password", b}}
		got, err := Parse(Format(want))
		if err != nil {
			t.Fatalf("%q: %v", Format(want), err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q: %s", Format(want), d)
		}
	})
}
