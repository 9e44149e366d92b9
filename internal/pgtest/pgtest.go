// Package pgtest runs scratch PostgreSQL servers for tests.
//
// A server is the newest one installed, or that of a version asked for; it runs as
// an unprivileged user, listens on its Unix socket and on the loopback only, keeps
// nothing safe on disk and is gone with its test. Data directories are copied from
// one that initdb made once, so that two servers have one system identifier unless
// Fresh is asked for.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Server is a scratch server.
type Server struct {
	Version   int    // major
	Bin       string // where its programs are
	DataDir   string
	SocketDir string
	Port      int
	User      string // the superuser, named after the OS user that it runs as

	account account
	process *exec.Cmd
	done    chan struct{}
}

// Options say how a server is to be; the zero value is a fine one.
type Options struct {
	Version int      // 0: the newest that is installed
	Conf    []string // lines of postgresql.conf
	HBA     string   // pg_hba.conf; "" trusts everybody
	Fresh   bool     // has a system identifier of its own
	InitDB  []string // further options of initdb; makes it Fresh
	Stopped bool     // is not started
}

// Versions returns the major versions that are installed, oldest first.
func Versions() []int {
	var all []int
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin/postgres", "/usr/pgsql-*/bin/postgres"} {
		found, _ := filepath.Glob(pattern) // the patterns are good
		for _, path := range found {
			name := strings.TrimPrefix(filepath.Base(filepath.Dir(filepath.Dir(path))), "pgsql-")
			if v, err := strconv.Atoi(name); err == nil {
				all = append(all, v)
			}
		}
	}
	sort.Ints(all)
	return all
}

func binOf(version int) string {
	for _, dir := range []string{"/usr/lib/postgresql/%d/bin", "/usr/pgsql-%d/bin"} {
		if dir = fmt.Sprintf(dir, version); exists(dir + "/postgres") {
			return dir
		}
	}
	return ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Start makes and starts a server; without PostgreSQL the test is skipped.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	if o.Version == 0 {
		installed := Versions()
		if len(installed) == 0 {
			t.Fatal("PostgreSQL is not installed")
		}
		o.Version = installed[len(installed)-1]
	}
	s := prepare(t, o.Version)
	s.makeCluster(t, o)
	s.Append(t, "postgresql.conf", append([]string{"shared_buffers = 16MB", "max_connections = 30"}, o.Conf...)...)
	hba := o.HBA
	if hba == "" {
		hba = "local all all trust\nhost all all 127.0.0.1/32 trust\nlocal replication all trust\nhost replication all 127.0.0.1/32 trust\n"
	}
	s.Write(t, "pg_hba.conf", hba)
	if !o.Stopped {
		s.Start(t)
	}
	return s
}

// prepare makes the directories and finds a port.
func prepare(t testing.TB, version int) *Server {
	t.Helper()
	s := &Server{Version: version, Bin: binOf(version), account: whoami(t)}
	if s.Bin == "" {
		t.Fatalf("PostgreSQL %d is not installed", version)
	}
	dir, err := os.MkdirTemp("/tmp", "rtpg") // a short path: a socket's has 107 bytes at most
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s.account.own(t, dir)
	s.User, s.SocketDir, s.DataDir = s.account.name, dir, dir+"/data"
	s.Port = FreePort(t)
	return s
}

// FreePort returns a TCP port of this machine that nobody listens on now.
func FreePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Start starts the server and waits until it answers.
func (s *Server) Start(t testing.TB, arguments ...string) {
	t.Helper()
	log, err := os.Create(s.SocketDir + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s.process = s.command(s.Bin+"/postgres", append([]string{"-D", s.DataDir}, arguments...)...)
	s.process.Stdout, s.process.Stderr = log, log
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	s.done = make(chan struct{})
	go func() { s.process.Wait(); close(s.done) }()
	t.Cleanup(func() { s.Stop(t, syscall.SIGQUIT) })
	if err := s.wait(); err != nil {
		t.Fatalf("start: %v\n%s", err, s.Log())
	}
}

func (s *Server) wait() error {
	var err error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var conn *pgconn.PgConn
		if conn, err = s.connect(); err == nil {
			return conn.Close(context.Background())
		}
		var refused *pgconn.PgError // it answers, and does not let the tests in
		if errors.As(err, &refused) && (refused.Code != "57P03" || refused.Detail == "Hot standby mode is disabled.") {
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("the server ended: %w", err)
		default:
		}
	}
	return err
}

// Stop ends the server with a signal: SIGINT is fast, SIGQUIT is a crash.
func (s *Server) Stop(t testing.TB, how os.Signal) {
	t.Helper()
	if s.process == nil {
		return
	}
	if err := s.process.Process.Signal(how); err != nil && err != os.ErrProcessDone {
		t.Error(err)
	}
	select {
	case <-s.done:
	case <-time.After(20 * time.Second):
		t.Errorf("the server does not stop\n%s", s.Log())
	}
	s.process = nil
}

// Log is what the server said so far.
func (s *Server) Log() string {
	text, _ := os.ReadFile(s.SocketDir + "/log") // none is no text
	return string(text)
}
