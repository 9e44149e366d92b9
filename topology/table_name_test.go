package topology

import (
	"strings"
	"testing"
)

func TestParseTableName(t *testing.T) {
	for text, want := range map[string]TableName{
		"t":                        {"public", "t"},
		"s.t":                      {"s", "t"},
		"S.T":                      {"S", "T"},
		`"s"."t"`:                  {"s", "t"},
		`"a.b".c`:                  {"a.b", "c"},
		`a."b.c"`:                  {"a", "b.c"},
		`"say ""x"""."."`:          {`say "x"`, "."},
		`"""".""""`:                {`"`, `"`},
		"sales 2024.order lines":   {"sales 2024", "order lines"},
		"täglich.größe":            {"täglich", "größe"},
		strings.Repeat("x", 63):    {"public", strings.Repeat("x", 63)},
		`"` + "t" + `"`:            {"public", "t"},
		`"public.orders"`:          {"public", "public.orders"},
		`"quoted""and.dotted".tab`: {`quoted"and.dotted`, "tab"},
	} {
		got, err := ParseTableName(text)
		if err != nil || got != want {
			t.Errorf("%s is %#v, %v; want %#v", text, got, err, want)
		}
		if again, err := ParseTableName(got.String()); err != nil || again != got {
			t.Errorf("%s comes back as %#v, %v", got, again, err)
		}
	}
	for _, text := range []string{
		"", ".", "a.", ".a", "a.b.c", `"`, `""`, `"a`, `a"`, `"a"b`, `"a"".b`, `a.""`, "a..b", "a\nb", "\xff",
		strings.Repeat("x", 64), `"a".b.c`, `"a"."b"."c"`, "a.b.",
	} {
		if got, err := ParseTableName(text); err == nil {
			t.Errorf("%q is taken for %#v", text, got)
		}
	}
}

// FuzzTableName: every name that there can be comes back from its text, and
// every text that is taken says one name.
func FuzzTableName(f *testing.F) {
	for _, seed := range [][2]string{
		{"s", "t"}, {"my.schema", `say "x"`}, {`"`, `""`}, {".", `."`}, {"a b", "(c)"}, {"", "x"}, {"ä", "\x00"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, schema, name string) {
		want := TableName{schema, name}
		got, err := ParseTableName(want.String())
		if legal := objectName(schema) == "" && objectName(name) == ""; legal != (err == nil) {
			t.Fatalf("%q: %v", want.String(), err)
		} else if legal && got != want {
			t.Fatalf("%#v comes back as %#v", want, got)
		}
		if got, err = ParseTableName(name); err != nil {
			return
		}
		if again, err := ParseTableName(got.String()); err != nil || again != got {
			t.Fatalf("%q is %#v, and then %#v, %v", name, got, again, err)
		}
	})
}
