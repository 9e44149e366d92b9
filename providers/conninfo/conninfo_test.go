package conninfo

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text string
		want []Pair
		fail bool
	}{
		{text: ""},
		{text: "host=a port=1", want: []Pair{{"host", "a"}, {"port", "1"}}},
		{text: " host = 'a b'  user='it\\'s' ", want: []Pair{{"host", "a b"}, {"user", "it's"}}},
		{text: `password=a\ b\\c`, want: []Pair{{"password", `a b\c`}}},
		{text: "password=''", want: []Pair{{"password", ""}}},
		{text: "host", fail: true},
		{text: "host='a", fail: true},
		{text: "postgresql://u:p%40@h:5/db?sslmode=require", want: []Pair{{"user", "u"}, {"password", "p@"}, {"host", "h"}, {"port", "5"}, {"dbname", "db"}, {"sslmode", "require"}}},
	} {
		got, err := Parse(c.text)
		if (err != nil) != c.fail {
			t.Errorf("%q: %v", c.text, err)
		}
		if d := cmp.Diff(c.want, got); !c.fail && d != "" {
			t.Errorf("%q: %s", c.text, d)
		}
	}
}

// FuzzRoundTrip: what Format writes, Parse reads back.
func FuzzRoundTrip(f *testing.F) {
	for _, s := range []string{"", "a", "it's", `\`, "a b", "\n", "é", "'", `\'`} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
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
