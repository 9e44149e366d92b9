package pgdump

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The text of PostgreSQL 13, with an ATTACH PARTITION in the table's own entry.
const thirteen = `--
-- PostgreSQL database dump
--

\restrict abc;

SET statement_timeout = 0;
SELECT pg_catalog.set_config('search_path', '', false);

--
-- TOC entry 201 (class 1259 OID 16385)
-- Name: p; Type: TABLE; Schema: public; Owner: -
-- Data Pos: 0
--

CREATE TABLE public.p (
    t text DEFAULT E'it\'s;\n' || $x$;'$x$, -- ; a comment
    "a;b ATTACH PARTITION " integer
)
PARTITION BY RANGE (id);


SET default_table_access_method = heap;

--
-- TOC entry 202 (class 1259 OID 16388)
-- Dependencies: 201 6
-- Name: odd; Type: VIEW; Schema: x; Type: TABLE; Schema: a b; Owner: -
-- Data Pos: 0
--

CREATE TABLE "a b".one (
    t text
);
ALTER TABLE ONLY public."p q" ATTACH PARTITION "a b".one DEFAULT;

ALTER TABLE ONLY "a b".one REPLICA IDENTITY FULL;

\unrestrict abc
`

func TestParse(t *testing.T) {
	want := []Entry{
		{ID: 201, Object: Object{Relations, 16385}, Kind: "TABLE", Label: "public.p", Statements: []string{
			"CREATE TABLE public.p (\n    t text DEFAULT E'it\\'s;\\n' || $x$;'$x$, -- ; a comment\n    \"a;b ATTACH PARTITION \" integer\n)\nPARTITION BY RANGE (id);",
		}},
		{ID: 202, Object: Object{Relations, 16388}, DependsOn: []int{201, 6}, Kind: "TABLE", Label: "a b.odd; Type: VIEW; Schema: x", Statements: []string{
			"CREATE TABLE \"a b\".one (\n    t text\n);", "ALTER TABLE ONLY \"a b\".one REPLICA IDENTITY FULL;",
		}},
		{ID: -202, DependsOn: []int{202, 201, 6}, Kind: "TABLE ATTACH", Label: "a b.odd; Type: VIEW; Schema: x", Statements: []string{
			`ALTER TABLE ONLY public."p q" ATTACH PARTITION "a b".one DEFAULT;`,
		}},
	}
	if d := cmp.Diff(want, Parse(thirteen)); d != "" {
		t.Error(d)
	}
}

// No text hangs or breaks the reader, cut off wherever it may be.
func FuzzParse(f *testing.F) {
	for i := range len(thirteen) {
		f.Add(thirteen[:i])
	}
	f.Fuzz(func(_ *testing.T, text string) {
		_, _, _ = Choose(Parse(text), Catalog{Wanted: map[Object]bool{{Relations, 16388}: true}}) // it ends
	})
}
