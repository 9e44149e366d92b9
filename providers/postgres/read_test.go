package postgres_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/scram"
	"github.com/repltool/repltool/internal/pgtest"
	"github.com/repltool/repltool/providers/postgres"
	"github.com/repltool/repltool/topology"
)

func target(s *pgtest.Server) postgres.Target {
	return postgres.Target{SocketDir: s.SocketDir, Port: s.Port, User: s.User, Database: "postgres"}
}

func open(t testing.TB, s *pgtest.Server, to postgres.Target) *postgres.DB {
	t.Helper()
	db, err := postgres.Connect(context.Background(), s.Dial, to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func read(t testing.TB, s *pgtest.Server) *facts.Server {
	t.Helper()
	to := target(s)
	to.Reading = true
	server, err := postgres.Read(context.Background(), open(t, s, to))
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// everyVersion runs a test on each version that is installed.
func everyVersion(t *testing.T, test func(t *testing.T, version int)) {
	t.Helper()
	versions := pgtest.Versions()
	if len(versions) == 0 {
		t.Fatal("PostgreSQL is not installed")
	}
	for _, v := range versions {
		t.Run(fmt.Sprint(v), func(t *testing.T) { test(t, v) })
	}
}

func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
func ident(s string) string   { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// hostile are names that are allowed and hurt.
func hostile() []string {
	return []string{
		`it's`, `say "hi"`, "two\nlines", "tab\there", `back\slash`, "пользователь", "日本語", "😀", " spaced ",
		"$1", "%s", "a=b", "{x,y}", `\u0041`, "null", strings.Repeat("x", 63), strings.Repeat("é", 31), "\x01",
	}
}

func named[T any](t *testing.T, list []T, name string, of func(T) string) T {
	t.Helper()
	i := slices.IndexFunc(list, func(x T) bool { return of(x) == name })
	if i < 0 {
		t.Fatalf("%q was not found", name)
	}
	return list[i]
}

func roleName(r facts.Role) string         { return r.Name }
func databaseName(d facts.Database) string { return d.Name }

func TestHostileNames(t *testing.T) {
	everyVersion(t, func(t *testing.T, version int) {
		s := pgtest.Start(t, pgtest.Options{Version: version})
		var sql strings.Builder
		for _, name := range hostile() {
			fmt.Fprintf(&sql, "CREATE ROLE %s; ALTER ROLE %[1]s SET application_name = %s; GRANT %[1]s TO pg_monitor;\n", ident(name), literal(name))
		}
		sql.WriteString("CREATE ROLE member IN ROLE " + ident(hostile()[1]) + ", " + ident(hostile()[0]) + ", pg_monitor")
		s.Query(t, sql.String())
		for _, name := range hostile() {
			s.Query(t, "CREATE DATABASE "+ident(name)+" OWNER "+ident(name)+" TEMPLATE template0")
		}
		server := read(t, s)
		for _, name := range hostile() {
			if p := named(t, server.Roles, name, roleName).Parameters["application_name"].Value; p != name {
				t.Errorf("%q: application_name %q", name, p)
			}
			if owner := named(t, server.Databases, name, databaseName).Owner; owner != name {
				t.Errorf("%q: owner %q", name, owner)
			}
		}
		if got := named(t, server.Roles, "member", roleName).MemberOf; !slices.Equal(got, []string{`it's`, "pg_monitor", `say "hi"`}) {
			t.Errorf("member of %q", got)
		}
	})
}

func TestRole(t *testing.T) {
	everyVersion(t, func(t *testing.T, version int) {
		s := pgtest.Start(t, pgtest.Options{Version: version})
		s.Query(t, `SET TimeZone = 'Asia/Tokyo'; SET password_encryption = 'scram-sha-256';
			CREATE ROLE one LOGIN REPLICATION CREATEDB CREATEROLE NOINHERIT BYPASSRLS CONNECTION LIMIT 7 PASSWORD 'canary' VALID UNTIL '2031-02-03 04:05:06.5+00';
			ALTER ROLE one SET Search_Path = "a b", public; ALTER ROLE one SET work_mem = '4MB'; ALTER ROLE one IN DATABASE postgres SET work_mem = '5MB';
			CREATE ROLE two SUPERUSER VALID UNTIL 'infinity'; SET password_encryption = 'md5'; CREATE ROLE three PASSWORD 'canary' VALID UNTIL '2031-02-03 04:05:00+00'`)
		server := read(t, s)
		one := named(t, server.Roles, "one", roleName)
		want := topology.Role{
			Name: "one", Login: true, Replication: true, CreateDB: true, CreateRole: true, BypassRLS: true, ConnectionLimit: 7,
			ValidUntil: "2031-02-03 04:05:06.5+00",
			Parameters: topology.Parameters{"search_path": {Value: `"a b", public`}, "work_mem": {Value: "4MB"}},
		}
		if d := cmp.Diff(want, one.Role, cmpopts.EquateComparable(topology.Secret{})); d != "" {
			t.Error(d)
		}
		if !scram.Matches(one.Verifier.Reveal(), "one", "canary") || strings.Contains(fmt.Sprintf("%+v %#v", one, one), "SCRAM-SHA") {
			t.Errorf("verifier %v", one.Verifier)
		}
		two, three := named(t, server.Roles, "two", roleName), named(t, server.Roles, "three", roleName)
		if !two.Superuser || !two.Inherit || two.Login || two.ValidUntil != "infinity" || two.ConnectionLimit != -1 || two.Verifier.IsSet() {
			t.Errorf("%+v", two)
		}
		if three.ValidUntil != "2031-02-03 04:05:00+00" || !scram.Matches(three.Verifier.Reveal(), "three", "canary") || scram.Matches(three.Verifier.Reveal(), "four", "canary") {
			t.Errorf("%+v", three)
		}
		if me := named(t, server.Roles, s.User, roleName); me.ValidUntil != "" || me.MemberOf != nil {
			t.Errorf("%+v", me)
		}
		if slices.ContainsFunc(server.Roles, func(r facts.Role) bool { return strings.HasPrefix(r.Name, "pg_") }) {
			t.Error("PostgreSQL's own roles are among them")
		}
	})
}

func TestSettings(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{Conf: []string{
		"work_mem = 1MB", "work_mem = '7MB'", "Log_Line_Prefix = 'it''s'", "PRIMARY_CONNINFO = 'host=x password=canary'", "statement_timeout = 90s",
		"timezone = 'Asia/Tokyo'", "log_min_messages = warning",
	}})
	s.Query(t, "ALTER SYSTEM SET max_connections = 77")
	s.Query(t, "ALTER ROLE "+s.User+" SET lock_timeout = '3s'")
	s.Append(t, "postgresql.conf", "wal_level = nonsense", "unknown_setting = 1")
	s.Query(t, "SELECT pg_reload_conf(), pg_sleep(0.2)")
	server := read(t, s)
	conf := s.DataDir + "/postgresql.conf"
	for name, want := range map[string]facts.Setting{
		"work_mem":          {Value: "7168", Unit: "kB", Context: "user", VarType: "integer", Min: "64", Max: "2147483647", Boot: "4096", Source: "configuration file", SourceFile: conf, SourceLine: 10},
		"log_line_prefix":   {Value: "it's", Context: "sighup", VarType: "string", Boot: "%m [%p] ", Source: "configuration file", SourceFile: conf, SourceLine: 11},
		"statement_timeout": {Value: "90000", Unit: "ms", Context: "user", VarType: "integer", Min: "0", Max: "2147483647", Boot: "0", Source: "configuration file", SourceFile: conf, SourceLine: 13},
		"timezone":          {Value: "Asia/Tokyo", Context: "user", VarType: "string", Boot: "GMT", Source: "configuration file", SourceFile: conf, SourceLine: 14},
		"synchronous_commit": {
			Value: "on", Context: "user", VarType: "enum", Enum: []string{"local", "remote_write", "remote_apply", "on", "off"},
			Boot: "on", Source: "default",
		},
	} {
		if d := cmp.Diff(want, server.Settings[name]); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	if got := server.Settings["lock_timeout"]; got.Value != "3000" || got.Source != "user" || server.InForce("lock_timeout") != "0" {
		t.Errorf("lock_timeout %+v", got)
	}
	if len(server.Settings) < 300 || server.ConnInfo.Reveal() != "host=x password=canary" {
		t.Errorf("%d settings, primary_conninfo %q", len(server.Settings), server.ConnInfo.Reveal())
	}
	if text, err := json.Marshal(server); err != nil || strings.Contains(string(text), "canary") {
		t.Errorf("the password can be seen, or %v", err)
	}
	var found []string
	for _, f := range server.FileSettings {
		if f.Line > 8 || strings.HasSuffix(f.File, "auto.conf") {
			found = append(found, fmt.Sprintf("%s=%s %t %s", f.Name, f.Value, f.Applied, f.Error))
		}
	}
	want := []string{
		"work_mem=1MB false ", "work_mem=7MB false ", "log_line_prefix=it's false ", "primary_conninfo= false ", "statement_timeout=90s false ",
		"timezone=Asia/Tokyo false ", "log_min_messages=warning false ", "wal_level=nonsense false ", "unknown_setting=1 false unrecognized configuration parameter",
		"max_connections=77 false ",
	}
	if d := cmp.Diff(want, found); d != "" {
		t.Error(d)
	}
}

func TestPendingRestart(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{})
	before := read(t, s).ConfLoaded
	s.Query(t, "ALTER SYSTEM SET max_connections = 77")
	s.Query(t, "SELECT pg_reload_conf(), pg_sleep(0.2)")
	server := read(t, s)
	if got := server.Settings["max_connections"]; got.Value != "30" || !got.PendingRestart || server.ConfLoaded <= before {
		t.Errorf("%+v, loaded %f and %f", got, before, server.ConfLoaded)
	}
}

// TestPagesUnsafe: what counts is the last checkpoint, not the setting.
func TestPagesUnsafe(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{Conf: []string{"full_page_writes = off"}})
	s.Query(t, "CHECKPOINT")
	if !read(t, s).PagesUnsafe {
		t.Error("a checkpoint with full_page_writes = off is not seen")
	}
	s.Stop(t, syscall.SIGINT)
	s.Start(t, "-c", "full_page_writes=on")
	s.Query(t, "CHECKPOINT")
	if read(t, s).PagesUnsafe {
		t.Error("a checkpoint with full_page_writes = on counts as one without")
	}
}

func TestHBA(t *testing.T) {
	hba := []string{
		"local all all trust",
		"# a comment",
		`host "my db",replication +group,"a b" 10.1.0.0 255.255.0.0 scram-sha-256`,
		"hostssl all all ::1/128 cert map=m clientcert=verify-full",
		"hostnossl all all .example.org md5",
		"host all all samenet reject",
		`host all all 10.0.0.0/8 ldap ldapserver=l ldapbasedn="dc=x" ldapbinddn="cn=y" ldapbindpasswd="canary"`,
		"host all all 10.9.9.9 255.0.255.0 md5",
		"host all all 0.0.0.0/0 nonsense",
	}
	s := pgtest.Start(t, pgtest.Options{HBA: strings.Join(hba[:1], "\n") + "\n"})
	s.Write(t, "pg_hba.conf", strings.Join(hba, "\n")+"\n")
	server := read(t, s)
	var got []string
	for _, r := range server.HBA {
		got = append(got, fmt.Sprintf("%d %s %q %q %s %s %v %s", r.Line, r.Type, r.Database, r.User, r.Address, r.Method, r.Options, r.Error))
	}
	want := []string{
		`1 local ["all"] ["all"]  trust [] `,
		`3 host ["my db" "replication"] ["+group" "a b"] 10.1.0.0/16 scram-sha-256 [] `,
		`4 hostssl ["all"] ["all"] ::1/128 cert [{map m} {clientcert verify-full}] `,
		`5 hostnossl ["all"] ["all"] .example.org md5 [] `,
		`6 host ["all"] ["all"] samenet reject [] `,
		`7 host ["all"] ["all"] 10.0.0.0/8 ldap [{ldapserver l} {ldapbasedn dc=x} {ldapbinddn cn=y} {ldapbindpasswd (sensitive value)} {ldapscope 2}] `,
		`8 host ["all"] ["all"] 10.9.9.9 255.0.255.0 md5 [] `,
		`9  [] []   [] invalid authentication method "nonsense"`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestDatabasesAndTablespaces(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{})
	dir := s.SocketDir + "/space"
	s.Run(t, "/bin/mkdir", dir)
	for _, sql := range []string{
		"CREATE TABLESPACE " + ident(`it's "fast"`) + " LOCATION " + literal(dir),
		`CREATE DATABASE shop TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TABLESPACE "it's ""fast"""`,
		"ALTER DATABASE shop SET DateStyle = 'SQL, DMY'",
		"CREATE DATABASE mixed TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'",
	} {
		s.Query(t, sql)
	}
	server := read(t, s)
	shop := named(t, server.Databases, "shop", databaseName)
	want := topology.Database{Name: "shop", Owner: s.User, Encoding: "LATIN1", Locale: "C", Parameters: topology.Parameters{"datestyle": {Value: "SQL, DMY"}}}
	if d := cmp.Diff(want, shop.Database, cmpopts.EquateComparable(topology.Secret{})); d != "" || shop.Bytes < 1<<20 {
		t.Errorf("%d bytes %s", shop.Bytes, d)
	}
	if got := named(t, server.Databases, "mixed", databaseName).Locale; got != "C/C.UTF-8" {
		t.Error(got)
	}
	if len(server.Tablespaces) != 1 || server.Tablespaces[0].Name != `it's "fast"` || server.Tablespaces[0].Location != dir || server.Tablespaces[0].Bytes < 1<<20 {
		t.Errorf("%+v", server.Tablespaces)
	}
	if server.DataBytes < 4*shop.Bytes {
		t.Errorf("%d bytes in all", server.DataBytes)
	}
}

func TestLedger(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{})
	if read(t, s).Ledger != nil {
		t.Error("there is no ledger")
	}
	s.Query(t, "CREATE SCHEMA repltool; CREATE TABLE repltool.managed (address text PRIMARY KEY, object text NOT NULL, since timestamptz NOT NULL DEFAULT now())")
	if l := read(t, s).Ledger; l == nil || len(l.Managed) != 0 {
		t.Errorf("%+v", l)
	}
	for i, name := range hostile() {
		s.Query(t, fmt.Sprintf("INSERT INTO repltool.managed VALUES ('%02d', %s, '2026-01-02 03:04:05+00')", i, literal("role "+name)))
	}
	for i, m := range read(t, s).Ledger.Managed {
		if want := (facts.Managed{Address: fmt.Sprintf("%02d", i), Object: "role " + hostile()[i], Since: "2026-01-02 03:04:05+00"}); m != want {
			t.Errorf("%+v, want %+v", m, want)
		}
	}
}

// In a database of encoding SQL_ASCII, names and values are any bytes.
func TestBytesThatAreNoText(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{InitDB: []string{"-E", "SQL_ASCII", "--locale=C"}, Conf: []string{"log_line_prefix = '\xe9'", "event_source = 'é'"}})
	server := read(t, s)
	if got := server.Settings["log_line_prefix"].Value; got != "\uFFFD" {
		t.Errorf("%q", got)
	}
	if got := server.Settings["event_source"].Value; got != "é" {
		t.Errorf("%q", got)
	}
}
