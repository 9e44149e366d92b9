package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pgtest"
	"github.com/repltool/repltool/providers/postgres"
	"github.com/repltool/repltool/topology"
)

const filteredTable = `(id int, a bigint, b text, v varchar(9), c char(3), n numeric, f float4, ok boolean, at timestamptz, d date, u uuid, j jsonb, k text[], m mood, "Total" int, "select" int, "or" boolean, nn int NOT NULL)`

func filterServer(t testing.TB) *pgtest.Server {
	s := logicalServer(t)
	s.Query(t, `CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE FUNCTION mine(int) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true';
		CREATE TABLE t `+filteredTable+`; ALTER TABLE t ADD CHECK (id > 0); CREATE INDEX ON t (id) WHERE id > 10;
		CREATE TABLE p `+filteredTable+` PARTITION BY LIST (b); CREATE TABLE p1 PARTITION OF p FOR VALUES IN ('eu');
		CREATE TABLE empty `+filteredTable+` PARTITION BY LIST (b)`)
	return s
}

func filters(t testing.TB, s *pgtest.Server, table string, wanted ...string) []facts.Filter {
	t.Helper()
	w := postgres.LogicalWant{Tables: public(table)}
	for _, where := range wanted {
		w.Filters = append(w.Filters, postgres.WantedFilter{ID: "publication.p", Publication: "pub", Table: public(table)[0], Where: where})
	}
	return logical(t, s, w).Filters
}

// sameMeanings are filters: those of one line mean the same.
func sameMeanings() [][]string {
	return [][]string{
		{"id  >  10 and b = 'x'", "ID > 10 AND t.b = 'x'::text", "((id > 10)) AND (b='x')", "public.t.id > 10 AND b = $$x$$"},
		{"id > 10"},
		{"id > 11"},
		{"a > 10", "a>10::int"},
		{"a > 10::bigint"},
		{"true"},
		{"false"},
		{"id > 0"},
		{"id IS NOT NULL"},
		{"b IN ('x', 'y')", "b = ANY (ARRAY['x','y'])", "b in('x','y')"},
		{"b IN ('y', 'x')"},
		{"b NOT IN ('x', 'y')", "NOT b IN ('x','y')"},
		{"v = 'x'", "v::text = 'x'"},
		{"v = 'x '"},
		{"c = 'x'"},
		{"c = 'x  '"},
		{"n > 1", "n > 1::numeric", "n > '1'"},
		{"n > 1.0"},
		{"n BETWEEN 1 AND 2", "n >= 1 AND n <= 2"},
		{"f > 0.1"},
		{"f > 0.1::float4"},
		{"ok", "ok = true", "ok = 't'"},
		{"NOT ok", "ok = false"},
		{"ok IS TRUE"},
		{"ok OR id > 3"},
		{"ok AND id > 3"},
		{"at > '2024-01-01 00:00:00+00'", "at > timestamptz '2024-01-01 01:00:00+01'", "at > '2024-01-01'"},
		{"at > '2024-01-01 00:00:00+01'"},
		{"d >= date '2024-01-01' + 1", "d >= '2024-01-02'"},
		{"u = '00000000-0000-0000-0000-0000000000aa'", "u = '000000000000000000000000000000AA'::uuid"},
		{"j->>'x' = 'a'", "(j ->> 'x') = 'a'"},
		{"j @> '{\"a\": 1}'", "j @> '{\"a\":1}'"},
		{"'x' = ANY (k)"},
		{`"Total" > 1`},
		{`"select" > 1 AND "or"`},
		{"b LIKE 'a%'", "b ~~ 'a%'"},
		{"b ILIKE 'a%'"},
		{"b = 'it''s'", `b = E'it\'s'`},
		{`b = E'\n  Filter: (b = 1)'`},
		{"lower(b) = 'x'"},
		{"length(b) > 3"},
		{"coalesce(id, 0) > 3"},
		{"b < 'x' COLLATE \"C\""},
		{"b < 'x'"},
		{"CASE WHEN ok THEN id > 1 ELSE id > 2 END"},
		{"b IS DISTINCT FROM 'x'"},
		{"nn IS NOT NULL AND id > 1"},
		{"id > 1"},
		{"b = 'eu'"},
		{"b = 'us'"},
		{"b = 'xx'"},
		{"b IS NULL"},
		{"id + 1 > 2"},
		{"id > 1 AND NULL"},
		{"(id, a) = (1, 2)", "id = 1 AND a = 2"},
		{"id % 2 = 0"},
		{"id & 1 = 0"},
	}
}

// What a publication was made with is found again, however it was written; what
// means something else is not, whatever the table makes of it.
func TestFiltersByMeaning(t *testing.T) {
	s := filterServer(t)
	groups := sameMeanings()
	var all []string
	of := map[string]int{}
	for i, g := range groups {
		for _, where := range g {
			all, of[where] = append(all, where), i
		}
	}
	for _, table := range []string{"t", "p", "empty"} {
		for i, g := range groups {
			if table != "t" && !strings.HasPrefix(g[0], "b ") && !strings.HasPrefix(g[0], "id ") {
				continue
			}
			s.Query(t, fmt.Sprintf("DROP PUBLICATION IF EXISTS pub; CREATE PUBLICATION pub FOR TABLE %s WHERE (%s) WITH (publish_via_partition_root)", table, strings.ReplaceAll(g[0], "t.", table+".")))
			wanted := make([]string, len(all))
			for j, where := range all {
				wanted[j] = strings.ReplaceAll(where, "t.", table+".")
			}
			for j, f := range filters(t, s, table, wanted...) {
				if f.Error != "" || f.Same != (of[all[j]] == i) {
					t.Errorf("%s: WHERE (%s) is there, (%s) is wanted: same %t, error %q", table, g[0], f.Where, f.Same, f.Error)
				}
			}
		}
	}
}

// A filter that does not fit is reported as the server tells it, and nothing is done.
func TestFiltersThatDoNotFit(t *testing.T) {
	s := filterServer(t)
	s.Query(t, "CREATE SEQUENCE touched")
	for table, publication := range map[string]string{"t": "SELECT", "p": "CREATE PUBLICATION pub FOR TABLE p WHERE (id > 7) WITH (publish_via_partition_root)"} {
		s.Query(t, publication)
		for where, want := range map[string]string{
			"nothing > 1":                     `column "nothing" does not exist`,
			"id":                              "argument of WHERE must be type boolean",
			"b > 1":                           "operator does not exist: text > integer",
			"id = 'x'":                        `invalid input syntax for type integer: "x"`,
			"id >":                            "syntax error",
			"1/0 > id":                        "division by zero",
			"count(*) > 1":                    "aggregate functions are not allowed in WHERE",
			"id = (SELECT 1)":                 "subqueries are not allowed",
			"id IN (SELECT id FROM public.t)": "subqueries are not allowed",
			"EXISTS (SELECT FROM public.t x WHERE x.id = 3)":                 "subqueries are not allowed",
			"true); CREATE TABLE smuggled (x int); SELECT (true":             "cannot insert multiple commands",
			"id > 1) UNION SELECT set_config('a.b', 'c', false) WHERE (true": "",
		} {
			f := filters(t, s, table, where)[0]
			if f.Same || want != "" && !strings.Contains(f.Error, want) {
				t.Errorf("%s (%s): %+v", table, where, f)
			}
		}
	}
	if got := s.Query(t, "SELECT to_regclass('smuggled') IS NULL")[0][0]; got != "t" {
		t.Error("a second statement ran")
	}
	if got := filters(t, s, "t", "nextval('touched') > 1", "id > 2"); got[1].Error != "" || got[1].Same {
		t.Errorf("%+v", got)
	}
	if got := s.Query(t, "SELECT is_called FROM touched")[0][0]; got != "f" {
		t.Error("the filter was run")
	}
}

// What only a publication refuses is said before there is one, and asking leaves nothing: no
// publication, and no event trigger ran.
func TestFiltersThatAPublicationRefuses(t *testing.T) {
	s := filterServer(t)
	s.Query(t, `CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''ran''; END'`)
	s.Query(t, `CREATE EVENT TRIGGER refuse ON ddl_command_start EXECUTE FUNCTION refuse()`)
	for where, want := range map[string]string{
		"now() > '2020-01-01'":       "mutable functions are not allowed",
		"id > random()":              "mutable functions are not allowed",
		"public.mine(id)":            "User-defined",
		"ctid = '(0,1)'":             "System columns are not allowed",
		"id > 1) WHERE (true":        "syntax error",
		"id BETWEEN 5 AND 7":         "",
		"lower(b) = 'x' OR id = 1":   "",
		"coalesce(b, '') LIKE 'a%'":  "",
		"id = ANY (ARRAY[1, 2, 30])": "",
	} {
		for _, table := range []string{"t", "p"} {
			if f := filters(t, s, table, where)[0]; f.Same || want == "" && f.Error != "" || !strings.Contains(f.Error, want) {
				t.Errorf("%s (%s): %+v, want %q", table, where, f, want)
			}
		}
	}
	if got := s.Query(t, "SELECT count(*) FROM pg_publication")[0][0]; got != "0" {
		t.Errorf("%s publications were left", got)
	}
}

// A table that someone holds locked says nothing about its filter.
func TestFilterOfLockedTable(t *testing.T) {
	s := filterServer(t)
	holder := open(t, s, target(s))
	if err := holder.Exec(t.Context(), "BEGIN; LOCK TABLE public.t IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	to := target(s)
	to.ReadOnly = true
	_, err := postgres.ReadLogical(t.Context(), open(t, s, to), postgres.LogicalWant{
		Tables: public("t"), Filters: []postgres.WantedFilter{{Table: topology.TableName{Schema: "public", Name: "t"}, Where: "id > 1"}},
	})
	if e := postgres.ReadError(err); e == nil || e.Kind != facts.TimedOut {
		t.Errorf("%v", err)
	}
}
