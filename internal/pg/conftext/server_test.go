package conftext

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sort"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// server is a scratch PostgreSQL whose files the tests write.
type server struct {
	dir  string
	conn *pgx.Conn
	cred *syscall.Credential
}

// startServer starts the newest server that is installed, as an unprivileged user.
func startServer(t testing.TB) *server {
	t.Helper()
	bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	more, _ := filepath.Glob("/usr/pgsql-*/bin/postgres")
	bins = append(bins, more...)
	if len(bins) == 0 {
		t.Fatal("PostgreSQL is not installed")
	}
	sort.Strings(bins)
	bin := filepath.Dir(bins[len(bins)-1])
	dir, err := os.MkdirTemp("/tmp", "rtpg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &server{dir: dir, cred: unprivileged(t, dir)}
	s.run(t, bin+"/initdb", "-D", dir+"/data", "-U", "postgres", "-A", "trust", "-N", "--locale=C", "-E", "UTF8")
	s.write(t, "data/postgresql.auto.conf", "")
	cmd := s.command(bin+"/postgres", "-D", dir+"/data", "-c", "listen_addresses=", "-c", "unix_socket_directories="+dir,
		"-c", "shared_buffers=1MB", "-c", "fsync=off", "-c", "logging_collector=off", "-c", "log_min_messages=panic")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Signal(syscall.SIGQUIT); cmd.Wait() })
	s.connect(t)
	return s
}

// unprivileged returns whom the server runs as: PostgreSQL refuses root.
func unprivileged(t testing.TB, dir string) *syscall.Credential {
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func (s *server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred}
	return cmd
}

func (s *server) run(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := s.command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

func (s *server) write(t testing.TB, name, text string) {
	t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (s *server) connect(t testing.TB) {
	t.Helper()
	config, err := pgx.ParseConfig("user=postgres dbname=postgres sslmode=disable host=" + s.dir)
	if err != nil {
		t.Fatal(err)
	}
	config.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", s.dir+"/.s.PGSQL.5432")
	}
	for range 1200 {
		if s.conn, err = pgx.ConnectConfig(context.Background(), config); err == nil {
			t.Cleanup(func() { s.conn.Close(context.Background()) })
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal(err)
}

// settings returns what the server reads in postgresql.conf, up to the first line
// that it does not understand: pg_file_settings gives up there. Settings that
// another server's start would need have rows without a line.
func (s *server) settings(t testing.TB, text string) []string {
	t.Helper()
	s.write(t, "data/postgresql.conf", text)
	return s.query(t, `SELECT coalesce(sourceline::text, '?'), coalesce(name, ''), coalesce(setting, ''),
		CASE WHEN error LIKE 'syntax error%' THEN 'invalid' ELSE '' END
		FROM pg_file_settings WHERE sourceline IS NOT NULL ORDER BY seqno`)
}

// rules returns how the server reads pg_hba.conf.
func (s *server) rules(t testing.TB, text string) []string {
	t.Helper()
	s.write(t, "data/pg_hba.conf", text)
	return s.query(t, `SELECT line_number::text, coalesce(type, ''), coalesce(array_to_string(database, ','), ''),
		coalesce(array_to_string(user_name, ','), ''), coalesce(address, ''), coalesce(netmask, ''),
		coalesce(auth_method, ''), coalesce(array_to_string(options, ','), ''), CASE WHEN error IS NULL THEN '' ELSE 'invalid' END
		FROM pg_hba_file_rules`)
}

func (s *server) query(t testing.TB, sql string) []string {
	t.Helper()
	rows, err := s.conn.Query(context.Background(), sql, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		values := rows.RawValues()
		words := make([]string, len(values))
		for i, v := range values {
			words[i] = string(v)
		}
		all = append(all, fmt.Sprintf("%q", words))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
