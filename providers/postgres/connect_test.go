package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pgtest"
	"github.com/repltool/repltool/providers/postgres"
	"github.com/repltool/repltool/topology"
)

// environment sets every PG* variable that pgconn knows to something that would
// lead elsewhere.
func environment(t *testing.T) {
	for _, name := range []string{
		"PGHOST", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGPASSFILE", "PGAPPNAME", "PGSSLKEY", "PGSSLCERT", "PGSSLROOTCERT", "PGTZ",
	} {
		t.Setenv(name, "elsewhere")
	}
	t.Setenv("PGPORT", "1")
	t.Setenv("PGSSLMODE", "verify-full")
	t.Setenv("PGOPTIONS", "-c work_mem=99MB -c search_path=elsewhere")
	t.Setenv("PGTARGETSESSIONATTRS", "standby")
	t.Setenv("PGCONNECT_TIMEOUT", "1")
	t.Setenv("PGREQUIREAUTH", "scram-sha-256")
	t.Setenv("PGMINPROTOCOLVERSION", "3.2")
}

func TestSessions(t *testing.T) {
	everyVersion(t, func(t *testing.T, version int) {
		s := pgtest.Start(t, pgtest.Options{Version: version, Conf: []string{"datestyle = 'SQL, DMY'", "intervalstyle = iso_8601", "synchronous_commit = on"}})
		var all strings.Builder
		for _, own := range []string{
			"search_path = public", "statement_timeout = 1", "default_transaction_read_only = on", "standard_conforming_strings = off",
			"client_encoding = LATIN1", "timezone = 'Asia/Tokyo'", "role = nobody1",
		} {
			all.WriteString("ALTER ROLE " + s.User + " SET " + own + "; ALTER DATABASE postgres SET " + own + ";")
		}
		s.Query(t, "CREATE ROLE nobody1")
		s.Query(t, all.String())
		environment(t)
		db := open(t, s, target(s))
		rows, err := db.Query(t.Context(), `SELECT name || '=' || setting FROM pg_settings WHERE name IN ('application_name', 'synchronous_commit',
			'statement_timeout', 'search_path', 'DateStyle', 'IntervalStyle', 'TimeZone', 'client_encoding', 'standard_conforming_strings',
			'default_transaction_read_only', 'work_mem') ORDER BY lower(name)`)
		if err != nil {
			t.Fatal(err)
		}
		want := "[[application_name=repltool] [client_encoding=UTF8] [DateStyle=ISO, YMD] [default_transaction_read_only=off] [IntervalStyle=postgres] " +
			"[search_path=pg_catalog] [standard_conforming_strings=on] [statement_timeout=0] [synchronous_commit=local] [TimeZone=UTC] [work_mem=4096]]"
		if got := fmt.Sprint(rows); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	})
}

func TestExec(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{})
	db := open(t, s, target(s))
	ctx := t.Context()
	if err := db.Exec(ctx, "CREATE TABLE public.a (); SELECT 1/0"); err == nil {
		t.Error("1/0 is no error")
	}
	rows, err := db.Rows(ctx, "SELECT 'first'; SELECT to_regclass('public.a'), '', 'é'; RESET work_mem")
	if err != nil || len(rows) != 1 || rows[0][0] != nil || *rows[0][1] != "" || *rows[0][2] != "é" {
		t.Errorf("%v, %v", rows, err)
	}
	if err := db.Exec(ctx, "CREATE DATABASE alone"); err != nil {
		t.Error(err)
	}
	for sql, permanent := range map[string]bool{
		"SELECT nothing": true, "SELEC": true, "SELECT 1/0": true, "CREATE DATABASE x; SELECT 1": false, "SELECT pg_promote()": false,
		"SELECT 'canary'::int": true, "DROP ROLE " + s.User: false,
	} {
		err := db.Exec(ctx, sql)
		var e *postgres.Error
		if !errors.As(err, &e) || e.Permanent() != permanent {
			t.Errorf("%s: %v", sql, err)
		}
	}
	err = db.Exec(ctx, "CREATE ROLE x; CREATE TABLE public.t (); ALTER TABLE public.t OWNER TO x")
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Exec(ctx, "DROP ROLE x"); err == nil || !strings.Contains(err.Error(), "(SQLSTATE 2BP01): owner of table") {
		t.Errorf("the detail is missing: %v", err)
	}
	if err := db.Ping(ctx); err != nil || !db.Usable() {
		t.Error(err)
	}
	if err := db.Close(); err != nil || db.Usable() {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// A canceled statement ends on the server, and a server that vanishes is reported.
func TestCancel(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{})
	db := open(t, s, target(s))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := db.Exec(ctx, "SELECT pg_sleep(60)")
	if e := postgres.ReadError(err); e == nil || e.Kind != facts.TimedOut || db.Usable() {
		t.Errorf("%v: %+v", err, e)
	}
	waitFor(t, "the statement to end", func() bool {
		return s.Query(t, "SELECT count(*) FROM pg_stat_activity WHERE query ~ 'pg_sleep.60' AND pid <> pg_backend_pid()")[0][0] == "0"
	})
	db = open(t, s, target(s))
	s.Query(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'repltool'")
	if e := postgres.ReadError(db.Exec(t.Context(), "SELECT 1")); e == nil || e.Kind != facts.Unreachable || db.Usable() {
		t.Errorf("%+v", e)
	}
}

func TestRefusals(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{
		HBA: "local nowhere all reject\nlocal all mapped peer\nlocal all locked scram-sha-256\nlocal all all trust\n",
	})
	s.Query(t, "CREATE ROLE weak LOGIN; CREATE ROLE nologin; CREATE ROLE mapped LOGIN; CREATE ROLE locked LOGIN PASSWORD 'x'")
	full := pgtest.Start(t, pgtest.Options{Conf: []string{"max_connections = 2", "superuser_reserved_connections = 0", "max_wal_senders = 0"}})
	began := time.Now()
	waitFor(t, "all connections to be in use", func() bool {
		db, err := postgres.Connect(t.Context(), full.Dial, target(full))
		if err == nil {
			t.Cleanup(func() { db.Close() })
		}
		return err != nil && time.Since(began) > 500*time.Millisecond
	})
	with := func(user, database string) postgres.Target {
		to := target(s)
		to.User, to.Database = user, database
		return to
	}
	away := with(s.User, "postgres")
	away.SocketDir = "/nowhere"
	forbidden := pgtest.Start(t, pgtest.Options{Conf: []string{"unix_socket_permissions = 0700"}})
	for name, c := range map[string]struct {
		to         postgres.Target
		kind       facts.ErrorKind
		text, hint string
	}{
		"no role":     {with("nobody's", "postgres"), facts.AuthFailed, `role "nobody's" does not exist (SQLSTATE 28000)`, "superuser nobody's"},
		"no login":    {with("nologin", "postgres"), facts.AuthFailed, "not permitted to log in", "os_user"},
		"no database": {with(s.User, "missing"), facts.ReadFailed, `database "missing" does not exist`, "Create"},
		"reject":      {with(s.User, "nowhere"), facts.AuthFailed, "pg_hba.conf rejects connection", "local  all  " + s.User + "  peer"},
		"peer":        {with("mapped", "postgres"), facts.AuthFailed, `Peer authentication failed for user "mapped"`, "pg_ident.conf"},
		"password":    {with("locked", "postgres"), facts.AuthFailed, "", "sql block"},
		"full":        {target(full), facts.Unreachable, "too many clients", "max_connections"},
		"no socket":   {away, facts.Unreachable, "connect to /nowhere/.s.PGSQL.", ""},
		"forbidden":   {target(forbidden), "", "", ""},
	} {
		db, err := postgres.Connect(t.Context(), s.Dial, c.to)
		if name == "forbidden" { // root may all the same
			if db != nil {
				db.Close()
			}
			continue
		}
		e := postgres.ReadError(err)
		if e == nil || e.Kind != c.kind || !strings.Contains(e.Text, c.text) || !strings.Contains(e.Hint, c.hint) || strings.Contains(e.Text, "failed to connect") {
			t.Errorf("%s: %v: %+v", name, err, e)
		}
	}
	weak := with("weak", "postgres")
	weak.Reading = true
	_, err := postgres.Read(t.Context(), open(t, s, weak))
	if e := postgres.ReadError(err); e == nil || e.Kind != facts.NoPrivilege || !strings.Contains(e.Text, "permission denied") {
		t.Errorf("not superuser: %v", err)
	}
}

// A standby without hot_standby says the same as a server that starts up, but for the
// detail.
func TestNotYet(t *testing.T) {
	primary := pgtest.Start(t, pgtest.Options{})
	standby := primary.Standby(t, "cold", "", "hot_standby = off")
	_, err := postgres.Connect(t.Context(), standby.Dial, target(standby))
	if e := postgres.ReadError(err); e == nil || e.Kind != facts.ReadFailed || !strings.Contains(e.Text, "57P03") || !strings.Contains(e.Hint, "hot_standby = on") {
		t.Errorf("%v", err)
	}
}

// What went wrong on the way is told by the one who knows.
func TestDialFails(t *testing.T) {
	for cause, kind := range map[error]facts.ErrorKind{
		fs.ErrNotExist: facts.Unreachable, fs.ErrPermission: facts.NoPrivilege, os.ErrDeadlineExceeded: facts.TimedOut, errors.New("odd"): facts.ReadFailed,
	} {
		_, err := postgres.Connect(t.Context(), func(context.Context, string) (net.Conn, error) {
			return nil, fmt.Errorf("pg1: open the socket: %w", cause)
		}, postgres.Target{SocketDir: "/x", Port: 1, User: "u", Database: "d"})
		if e := postgres.ReadError(err); e == nil || e.Kind != kind || !errors.Is(err, cause) || !strings.HasPrefix(e.Text, "connect to /x/.s.PGSQL.1 as u: ") {
			t.Errorf("%v: %v %+v", cause, err, e)
		}
	}
}

func TestTCP(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{HBA: "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"})
	password := `c'a\n ary=:é`
	s.Query(t, "CREATE ROLE "+ident(`o'dd "one"`)+" LOGIN PASSWORD "+literal(password))
	block := &topology.SQL{Host: "127.0.0.1", Port: s.Port, User: `o'dd "one"`, SSLMode: "disable"}
	login := func() error {
		db, err := postgres.ConnectTCP(t.Context(), block, postgres.Target{Database: "postgres", Application: "x"})
		if err != nil {
			return err
		}
		defer db.Close()
		rows, err := db.Query(t.Context(), "SELECT current_user, current_setting('application_name'), current_setting('synchronous_commit')")
		if err == nil && fmt.Sprint(rows) != `[[o'dd "one" x local]]` {
			err = fmt.Errorf("%v", rows)
		}
		return err
	}
	block.Password = topology.NewSecret("p", password)
	if err := login(); err != nil {
		t.Error(err)
	}
	block.Password = topology.NewSecret("p", password+"x")
	if e := postgres.ReadError(login()); e == nil || e.Kind != facts.AuthFailed || strings.Contains(e.Text, "ary") {
		t.Errorf("%+v", e)
	}
	block.Password = topology.Secret{}
	block.Passfile = t.TempDir() + "/pass"
	line := fmt.Sprintf("127.0.0.1:%d:*:*:%s\n", s.Port, strings.NewReplacer(`\`, `\\`, ":", `\:`).Replace(password))
	if err := os.WriteFile(block.Passfile, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := login(); err != nil {
		t.Errorf("by passfile: %v", err)
	}
	block.SSLRootCert, block.SSLMode = "/nowhere/ca", "verify-ca"
	var config *pgconn.ParseConfigError
	if err := login(); !errors.As(err, &config) {
		t.Errorf("%v", err)
	}
}
