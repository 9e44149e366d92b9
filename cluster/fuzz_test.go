package cluster

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pgtest"
	"github.com/repltool/repltool/topology"
)

// Each parser of this package, held to the server where the server reads the same text.

// says is the value of one query with parameters, and whether the server took it.
func says(t *testing.T, conn *pgconn.PgConn, sql string, parameters ...string) (string, bool) {
	t.Helper()
	values := make([][]byte, len(parameters))
	for i, p := range parameters {
		values[i] = []byte(p)
	}
	r := conn.ExecParams(context.Background(), sql, values, nil, nil, nil).Read()
	if r.Err != nil {
		if conn.IsClosed() {
			t.Fatal(r.Err)
		}
		return "", false
	}
	if len(r.Rows) == 0 {
		return "", true
	}
	return string(r.Rows[0][0]), true
}

// sendable recognizes text that a server takes as a parameter.
func sendable(text string) bool {
	return utf8.ValidString(text) && !strings.Contains(text, "\x00") && len(text) < 4000
}

// FuzzSync: what the server takes for synchronous_standby_names is read, and the text that
// is made of it is taken, too, and read as the same.
func FuzzSync(f *testing.F) {
	for _, v := range []string{"", "a", "a, b", "2 (a, b)", "ANY 1 (a, b)", "first 2 (\"A b\", *)", `"a""b"`, "any", "FIRST", "1", "2 (1, 2)", "a b", "1 (", "0 (a)", "any(a)", "ü, x$1", "( a", "a)", ", a", `"`, `""`} {
		f.Add(v)
	}
	conn := pgtest.Start(f, pgtest.Options{}).Session(f)
	taken := func(t *testing.T, v string) bool {
		_, ok := says(t, conn, "ALTER SYSTEM SET synchronous_standby_names = "+pg.Literal(v))
		return ok
	}
	f.Fuzz(func(t *testing.T, v string) {
		if !sendable(v) {
			return
		}
		set, ok := pg.ParseSync(v)
		if !taken(t, v) {
			return
		}
		if !ok {
			t.Fatalf("%q is taken by the server, and not read", v)
		}
		if len(set.Names) == 0 {
			return
		}
		names := make([]string, len(set.Names))
		for i, n := range set.Names {
			if names[i] = `"` + strings.ReplaceAll(n, `"`, `""`) + `"`; n == "*" {
				names[i] = n
			}
		}
		again := set.Method + " " + strconv.Itoa(set.Number) + " (" + strings.Join(names, ", ") + ")"
		if back, ok := pg.ParseSync(again); !ok || !pg.SameSync(v, again) || !slices.Equal(back.Names, set.Names) || !taken(t, again) {
			t.Errorf("%q is read as %+v, and that as %+v, %v", v, set, back, ok)
		}
	})
}

// FuzzNormalise: a value means what the server takes it for, or both refuse it.
func FuzzNormalise(f *testing.F) {
	names := []string{"work_mem", "idle_in_transaction_session_timeout", "vacuum_cost_delay", "seq_page_cost", "enable_seqscan", "synchronous_commit", "maintenance_work_mem", "geqo_seed", "deadlock_timeout", "extra_float_digits"}
	for i := range names {
		for _, v := range []string{"8MB", "0.5GB", " 8 MB ", "1e4", "0x20", "010", "-1", "on", "tru", "OFF", "remote_apply", "1500us", "30.1GB", "0.00051kB", "08", "0x", "1 kB ", "1e-320", "1kBx", "1 k B", "0x8MB", "2d", ".5", "1.", "70.6kB", "nan", "inf", "1e400", "0x1p3", "1_000", "+5", "- 5"} {
			f.Add(uint(i), v)
		}
	}
	s := pgtest.Start(f, pgtest.Options{})
	conn := s.Session(f)
	var settings []facts.Setting
	for _, name := range names {
		row := s.Query(f, "SELECT coalesce(unit, ''), vartype, coalesce(min_val, ''), coalesce(max_val, ''), coalesce(array_to_string(enumvals, ','), '') FROM pg_settings WHERE name = "+pg.Literal(name))[0]
		setting := facts.Setting{Unit: row[0], VarType: row[1], Min: row[2], Max: row[3]}
		if row[4] != "" {
			setting.Enum = strings.Split(row[4], ",")
		}
		settings = append(settings, setting)
	}
	f.Fuzz(func(t *testing.T, which uint, v string) {
		if !sendable(v) {
			return
		}
		i := which % uint(len(names))
		got, err := Normalise(settings[i], v)
		want := ""
		_, ok := says(t, conn, "SELECT set_config($1, $2, false)", names[i], v)
		if ok {
			want, _ = says(t, conn, "SELECT setting FROM pg_settings WHERE name = $1", names[i])
		}
		if ok != (err == nil) || ok && !sameNumber(got, want) {
			t.Errorf("%s = %q: %q, %v; the server says %q, accepted %v", names[i], v, got, err, want, ok)
		}
	})
}

// FuzzSplitNames: the names of a list are those that the server stores for a role.
func FuzzSplitNames(f *testing.F) {
	for _, v := range []string{"", "a", "a, b", `"A b", C`, `"a""b"`, `a,"b,c"`, " a ", "Ä", `"x"y`, "a,,b", `"`, "a b", ","} {
		f.Add(v)
	}
	conn := pgtest.Start(f, pgtest.Options{}).Session(f)
	f.Fuzz(func(t *testing.T, v string) {
		names := pg.SplitNames("search_path", v)
		if !sendable(v) || strings.TrimSpace(v) == "" {
			return
		}
		for _, n := range names {
			if len(n) > 63 {
				return // the server cuts it
			}
		}
		_, taken := says(t, conn, "SELECT set_config('search_path', $1, false)", v)
		if !taken {
			return
		}

		if _, ok := says(t, conn, "SET search_path TO "+pg.Literals(names)); !ok {
			t.Fatalf("%q is read as %q, which the server refuses", v, names)
		}
		set, _ := says(t, conn, "SHOW search_path")
		if again := pg.SplitNames("search_path", set); !slices.Equal(again, names) {
			t.Errorf("%q is read as %q; set like that it is %s, read as %q", v, names, set, again)
		}
	})
}

// FuzzLedgerRow: every object comes back from the ledger's text, with an intent and
// without; and no text breaks the reader.
func FuzzLedgerRow(f *testing.F) {
	for _, kind := range []string{"role", "database", "slot", "publication", "subscription", "role_parameter", "database_parameter"} {
		f.Add(kind, "a", "b", "intent at 0/3000060 database shop")
		f.Add(kind, `a on "b`, "c on d", "slot a on b on c")
	}
	f.Fuzz(func(t *testing.T, kind, name, in, text string) {
		if m := (facts.Managed{Object: text}).Parse(); m.Intent != "" && "intent at "+m.Intent+" "+m.Object != text {
			t.Errorf("%q is read as %+v", text, m)
		}
		_ = ParseRow(facts.Managed{Address: name, Object: text})
		o := Object{Kind: kind, Name: name, In: in}
		if !ledgerObject(o) {
			return
		}
		if got := parseObject(o.String()); got != o {
			t.Errorf("%+v is written as %q and read as %+v", o, o, got)
		}
		if m := (facts.Managed{Object: "intent at 0/1 " + o.String()}).Parse(); m.Object != o.String() || m.Intent != "0/1" {
			t.Errorf("%q with an intent is read as %+v", o, m)
		}
	})
}

// ledgerObject recognizes objects that the ledger can have.
func ledgerObject(o Object) bool {
	switch o.Kind {
	case "role", "database":
		return o.In == ""
	case "slot": // a node's name is an identifier
		return o.In != "" && !strings.Contains(o.In, " ")
	case "publication", "subscription":
		t, err := topology.ParseTableName(topology.TableName{Schema: o.In, Name: o.Name}.String())
		return err == nil && t.Name == o.Name && t.Schema == o.In
	case "role_parameter", "database_parameter":
		return o.In != "" && !strings.Contains(o.Name, " ")
	}
	return false
}
