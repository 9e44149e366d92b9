package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pgtest"
	"github.com/repltool/repltool/providers/postgres"
	"github.com/repltool/repltool/topology"
)

func logical(t testing.TB, s *pgtest.Server, w postgres.LogicalWant) *facts.Logical {
	t.Helper()
	to := target(s)
	to.ReadOnly = true
	db, err := postgres.Connect(context.Background(), s.Dial, to)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	l, err := postgres.ReadLogical(context.Background(), db, w)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func public(names ...string) []topology.TableName {
	var all []topology.TableName
	for _, n := range names {
		all = append(all, topology.TableName{Schema: "public", Name: n})
	}
	return all
}

func logicalServer(t testing.TB) *pgtest.Server {
	return pgtest.Start(t, pgtest.Options{Conf: []string{"wal_level = logical"}})
}

func TestPublications(t *testing.T) {
	s := logicalServer(t)
	s.Query(t, `CREATE ROLE "o""o"; CREATE SCHEMA "s 1"; CREATE TABLE "s 1"."T.""t" (id int PRIMARY KEY, "select" text, c int);
		CREATE TABLE p (id int, at date) PARTITION BY RANGE (at); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
		CREATE PUBLICATION "all" FOR ALL TABLES WITH (publish = 'truncate, insert');
		CREATE PUBLICATION none; ALTER PUBLICATION none OWNER TO "o""o";
		CREATE PUBLICATION "some" FOR TABLE p WHERE ((at > '2020-01-01') and id IN (1, 2)), "s 1"."T.""t" (id, "select") WHERE ("select" = ')(') WITH (publish_via_partition_root);
		CREATE PUBLICATION schemas FOR TABLES IN SCHEMA "s 1", public`)
	want := []topology.Publication{
		{Name: "all", AllTables: true, Publish: []string{"insert", "truncate"}, Owner: s.User},
		{Name: "none", Publish: topology.Operations(), Owner: `o"o`},
		{Name: "schemas", Schemas: []string{"public", "s 1"}, Publish: topology.Operations(), Owner: s.User},
		{Name: "some", Publish: topology.Operations(), Owner: s.User, ViaPartitionRoot: true, Tables: []topology.PublishedTable{
			{Table: public("p")[0], Where: "(at > '2020-01-01'::date) AND (id = ANY (ARRAY[1, 2]))"},
			{Table: topology.TableName{Schema: "s 1", Name: `T."t`}, Columns: []string{"id", "select"}, Where: `"select" = ')('::text`},
		}},
	}
	var got []topology.Publication
	for _, p := range logical(t, s, postgres.LogicalWant{}).Publications {
		if p.Database != "postgres" {
			t.Errorf("%+v", p)
		}
		p.Database = ""
		got = append(got, p.Publication)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// Names in a want and in a catalog are texts, whatever is in them.
func TestLogicalHostileNames(t *testing.T) {
	s := logicalServer(t)
	var w postgres.LogicalWant
	var sql strings.Builder
	for _, n := range hostile() {
		fmt.Fprintf(&sql, "CREATE ROLE %[1]s; CREATE SCHEMA %[1]s; CREATE TABLE %[1]s.%[1]s (%[1]s int PRIMARY KEY); INSERT INTO %[1]s.%[1]s VALUES (1); CREATE PUBLICATION %[1]s FOR TABLE %[1]s.%[1]s (%[1]s) WHERE (%[1]s > 0); GRANT USAGE ON SCHEMA %[1]s TO %[1]s; GRANT SELECT ON %[1]s.%[1]s TO %[1]s;\n", ident(n))
		name := topology.TableName{Schema: n, Name: n}
		w.Tables, w.Rows, w.Roles = append(w.Tables, name), append(w.Rows, name), append(w.Roles, n)
		w.Filters = append(w.Filters, postgres.WantedFilter{ID: n, Publication: n, Table: name, Where: ident(n) + ">0"})
	}
	s.Query(t, sql.String())
	l := logical(t, s, w)
	for i, n := range hostile() {
		name := topology.TableName{Schema: n, Name: n}
		p, table := l.Publication(n), l.Table(name)
		if p == nil || table == nil {
			t.Errorf("%q was not found", n)
			continue
		}
		if len(p.Tables) != 1 || p.Tables[0].Table != name || !slices.Equal(p.Tables[0].Columns, []string{n}) {
			t.Errorf("%q: %+v", n, p.Tables)
		}
		if !table.Rows || !slices.Equal(table.IdentityColumns, []string{n}) || table.Columns[0].Name != n {
			t.Errorf("%q: %+v", n, table)
		}
		if a := l.Access[n]; !a.Connect || !slices.Equal(a.Schemas, []string{n}) || !slices.Equal(a.Tables, []topology.TableName{name}) {
			t.Errorf("%q: %+v", n, a)
		}
		if f := l.Filters[i]; !f.Same || f.Error != "" || f.Publication != n {
			t.Errorf("%q: %+v", n, f)
		}
	}
}

func TestTables(t *testing.T) {
	s := logicalServer(t)
	s.Query(t, `CREATE SCHEMA app; CREATE SCHEMA other; CREATE EXTENSION IF NOT EXISTS plpgsql;
		CREATE TABLE app.d (a int, b text NOT NULL DEFAULT 'x', c numeric(7,2) GENERATED ALWAYS AS (a * 2) STORED, i int GENERATED ALWAYS AS IDENTITY, gone int, PRIMARY KEY (b, a) INCLUDE (i));
		ALTER TABLE app.d DROP COLUMN gone;
		CREATE TABLE app.f (a int, b text); ALTER TABLE app.f REPLICA IDENTITY FULL;
		CREATE TABLE app.i (a int PRIMARY KEY, b int NOT NULL UNIQUE); ALTER TABLE app.i REPLICA IDENTITY USING INDEX i_b_key;
		CREATE TABLE app.n (a int PRIMARY KEY); ALTER TABLE app.n REPLICA IDENTITY NOTHING;
		CREATE FUNCTION app.fill() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
		CREATE TRIGGER fill BEFORE INSERT ON app.d FOR EACH ROW EXECUTE FUNCTION app.fill(); ALTER TABLE app.d ENABLE ALWAYS TRIGGER fill;
		CREATE TRIGGER fill BEFORE INSERT ON app.f FOR EACH ROW EXECUTE FUNCTION app.fill();
		CREATE TRIGGER fill AFTER INSERT ON app.i FOR EACH ROW EXECUTE FUNCTION app.fill(); ALTER TABLE app.i ENABLE REPLICA TRIGGER fill;
		CREATE TABLE app.late (a int PRIMARY KEY DEFERRABLE);
		CREATE TABLE app.bare (a int);
		CREATE UNLOGGED TABLE app.u (a int); CREATE VIEW app.v AS SELECT 1 AS a; CREATE MATERIALIZED VIEW app.m AS SELECT 1 AS a; CREATE SEQUENCE app.s;
		CREATE TABLE p (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
		CREATE TABLE other.p20 PARTITION OF p FOR VALUES FROM ('2020-01-01') TO ('2021-01-01') PARTITION BY LIST (id);
		CREATE TABLE other.p20a PARTITION OF other.p20 FOR VALUES IN (1); INSERT INTO p VALUES (1, '2020-02-02');
		CREATE TABLE parent (a int); CREATE TABLE child () INHERITS (parent)`)
	brief := func(l *facts.Logical) []string {
		var all []string
		for _, t := range l.Tables {
			root := ""
			if t.Root != nil {
				root = " " + t.Root.String() + fmt.Sprint(len(t.Parents))
			}
			all = append(all, fmt.Sprintf("%s %s %t %s%v %t %t%s", t.Table, t.Kind, t.Persistent, t.Identity, t.IdentityColumns, t.Bytes > 0, t.Rows, root))
		}
		return all
	}
	got := brief(logical(t, s, postgres.LogicalWant{Schemas: []string{"app"}, Tables: append(public("p", "parent", "nothing"), topology.TableName{Schema: "app", Name: "v"}, topology.TableName{Schema: "app", Name: "s"}), Rows: public("p")}))
	want := []string{
		"app.bare r true d[] false false", "app.d r true d[b a] true false", "app.f r true f[a b] true false", "app.i r true i[b] true false",
		"app.late r true d[] true false", "app.n r true n[] true false", "app.s S true n[] false false", "app.u r false d[] false false", "app.v v true n[] false false",
		"other.p20 p true d[id at] false true public.p1", "other.p20a r true d[id at] true true public.p2",
		"public.p p true d[id at] false true", "public.parent r true d[] false false",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	l := logical(t, s, postgres.LogicalWant{All: true})
	for name, want := range map[string]bool{"d": true, "f": false, "i": false} {
		if got := l.Table(topology.TableName{Schema: "app", Name: name}).Fills; got != want {
			t.Errorf("trigger that fills app.%s: %t", name, got)
		}
	}
	if l.Table(topology.TableName{Schema: "app", Name: "m"}) != nil || l.Table(public("child")[0]) == nil || len(l.Tables) != 12 {
		t.Errorf("of all tables: %q", brief(l))
	}
	columns := []facts.Column{{Name: "a", Type: "integer", NotNull: true}, {Name: "b", Type: "text", NotNull: true, Default: true}, {Name: "c", Type: "numeric(7,2)", Generated: true}, {Name: "i", Type: "integer", NotNull: true, Default: true}}
	if d := cmp.Diff(columns, l.Table(topology.TableName{Schema: "app", Name: "d"}).Columns); d != "" {
		t.Error(d)
	}
}

func TestAccess(t *testing.T) {
	s := logicalServer(t)
	s.Query(t, `CREATE SCHEMA app; CREATE TABLE app.a (); CREATE TABLE app.b (); CREATE TABLE c (); CREATE ROLE nothing; CREATE ROLE reader; CREATE ROLE member IN ROLE reader; CREATE ROLE super SUPERUSER;
		REVOKE CONNECT ON DATABASE postgres FROM public; GRANT CONNECT ON DATABASE postgres TO reader; GRANT USAGE ON SCHEMA app TO reader; GRANT SELECT ON app.b TO reader;
		ALTER TABLE app.b ENABLE ROW LEVEL SECURITY; ALTER TABLE c OWNER TO reader; ALTER TABLE c ENABLE ROW LEVEL SECURITY; CREATE ROLE owns SUPERUSER`)
	s.Query(t, "CREATE SUBSCRIPTION theirs CONNECTION '' PUBLICATION p WITH (connect = false, slot_name = NONE)")
	s.Query(t, "ALTER SUBSCRIPTION theirs OWNER TO owns; ALTER ROLE owns NOSUPERUSER; GRANT SELECT, INSERT ON c TO owns")
	a, b, c := topology.TableName{Schema: "app", Name: "a"}, topology.TableName{Schema: "app", Name: "b"}, topology.TableName{Schema: "public", Name: "c"}
	reads := facts.Access{Connect: true, Schemas: []string{"app", "public"}, Tables: []topology.TableName{b, c}, Restricted: []topology.TableName{b}, Becomes: []string{"reader"}}
	granted := reads // not what its member has by it
	granted.Granted = facts.Granted{Connect: true, Schemas: []string{"app"}, Tables: []topology.TableName{b}}
	every := []string{"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"}
	want := map[string]facts.Access{
		"nothing": {Schemas: []string{"public"}, Restricted: []topology.TableName{b, c}}, "reader": granted, "member": reads,
		"super": {Connect: true, Schemas: []string{"app", "public"}, Tables: []topology.TableName{a, b, c}, Becomes: []string{"postgres", "reader"}},
		"owns": {Schemas: []string{"public"}, Tables: []topology.TableName{c}, Restricted: []topology.TableName{b, c}, Granted: facts.Granted{Tables: []topology.TableName{c}}, Lacks: []facts.LackedPrivileges{
			{Table: a, Privileges: every}, {Table: b, Privileges: every}, {Table: c, Privileges: every[2:]},
		}},
	}
	if d := cmp.Diff(want, logical(t, s, postgres.LogicalWant{Roles: []string{"nothing", "reader", "member", "super", "nobody"}, Schemas: []string{"app", "public"}, Subscriptions: []string{"theirs"}}).Access); d != "" {
		t.Error(d)
	}
}

func TestSubscriptions(t *testing.T) {
	s, other := logicalServer(t), pgtest.Start(t, pgtest.Options{Conf: []string{"wal_level = logical"}, Fresh: true})
	other.Query(t, "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); INSERT INTO a VALUES (1); CREATE PUBLICATION one FOR TABLE a; CREATE PUBLICATION two FOR TABLE b")
	conn := fmt.Sprintf("host=%s port=%d user=%s dbname=postgres password=canary", other.SocketDir, other.Port, other.User)
	s.Query(t, "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY)")
	s.Query(t, "CREATE SUBSCRIPTION live CONNECTION "+literal(conn)+" PUBLICATION two, one WITH (binary, streaming, disable_on_error, synchronous_commit = 'on')")
	s.Query(t, "CREATE SUBSCRIPTION rest CONNECTION "+literal(conn)+" PUBLICATION one WITH (connect = false, slot_name = NONE)")
	s.Query(t, "CREATE DATABASE other")
	w := postgres.LogicalWant{Subscriptions: []string{"live"}}
	l := logical(t, s, w)
	for end := time.Now().Add(time.Minute); (l.Subscription("live").Copying() > 0 || l.Subscription("live").Worker == nil) && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		l = logical(t, s, w)
	}
	live, rest := l.Subscription("live"), l.Subscription("rest")
	yes, no := true, false
	options := topology.SubscriptionOptions{Enabled: true, SlotName: "live", Binary: &yes, Streaming: "on", TwoPhase: &no, DisableOnError: &yes, SynchronousCommit: "on"}
	if s.Version >= 16 {
		options.Origin, options.PasswordRequired, options.RunAsOwner = "any", &yes, &no
	}
	if s.Version >= 17 {
		options.Failover = &no
	}
	if d := cmp.Diff(options, live.Options); d != "" {
		t.Error(d)
	}
	if !slices.Equal(live.Publications, []string{"two", "one"}) || live.Owner != s.User || live.ConnInfo.Reveal() != conn || strings.Contains(fmt.Sprintf("%+v", live), "canary") {
		t.Errorf("%+v", live)
	}
	if d := cmp.Diff([]facts.SubscribedTable{{Table: public("a")[0], State: "r"}, {Table: public("b")[0], State: "r"}}, live.Tables); d != "" || live.Worker == nil || live.Worker.PID == 0 {
		t.Errorf("%+v %s", live, d)
	}
	if rest.Options.Enabled || rest.Options.SlotName != "" || rest.Worker != nil || rest.Options.Streaming != "off" || len(rest.Tables) != 0 {
		t.Errorf("%+v", rest)
	}
	if len(l.Tables) != 2 {
		t.Errorf("tables of the subscription: %+v", l.Tables)
	}
	if d := cmp.Diff([]facts.SubscriptionName{{Database: "postgres", Name: "live"}}, read(t, s).Applying); d != "" {
		t.Errorf("subscriptions with a worker: %s", d)
	}
	to := target(s)
	to.Database, to.ReadOnly = "other", true
	if l, err := postgres.ReadLogical(t.Context(), open(t, s, to), w); err != nil || len(l.Subscriptions) != 0 {
		t.Errorf("another database has %+v, %v", l, err)
	}
	s.Query(t, "ALTER SUBSCRIPTION live DISABLE")
	s.Query(t, "ALTER SUBSCRIPTION live SET (slot_name = NONE)") // its publisher ends first
}

// One query reads a thousand tables.
func TestThousandTables(t *testing.T) {
	s := logicalServer(t)
	s.Query(t, "DO $$ BEGIN FOR i IN 1..1000 LOOP EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, a text, b text, c text, d numeric, e timestamptz)', i); END LOOP; END $$")
	s.Query(t, "INSERT INTO t7 VALUES (1); CREATE ROLE r; GRANT SELECT ON t7 TO r")
	w := postgres.LogicalWant{Schemas: []string{"public"}, Roles: []string{"r"}}
	for i := 1; i <= 1000; i++ {
		w.Rows = append(w.Rows, public(fmt.Sprintf("t%d", i))...)
	}
	begin := time.Now()
	l := logical(t, s, w)
	t.Logf("took %v", time.Since(begin))
	if len(l.Tables) != 1000 || !l.Table(public("t7")[0]).Rows || l.Table(public("t8")[0]).Rows || len(l.Access["r"].Tables) != 1 {
		t.Errorf("%d tables", len(l.Tables))
	}
}

func TestLogicalOfStandby(t *testing.T) {
	s := logicalServer(t)
	if l := logical(t, s.Standby(t, "standby", ""), postgres.LogicalWant{}); l != nil {
		t.Errorf("%+v", l)
	}
}
