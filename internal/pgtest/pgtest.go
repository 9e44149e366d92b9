// Package pgtest starts PostgreSQL servers for tests: on a Unix socket and, where
// asked, on loopback; in a directory of the test; as an unprivileged user.
package pgtest

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Server is a server that ends with its test.
type Server struct {
	t testing.TB

	Version   int // major
	BinDir    string
	DataDir   string
	SocketDir string
	Port      int
	User      string // OS user and superuser
}

// Owner answers the unprivileged user that servers run as: the caller, or
// postgres when the caller is root.
func Owner(t testing.TB) *user.User {
	t.Helper()
	u, err := user.Current()
	if err == nil && u.Uid == "0" {
		u, err = user.Lookup("postgres")
	}
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return u
}

// Binaries answers the newest PostgreSQL that is installed.
func Binaries(t testing.TB) (dir string, version int) {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil || len(found) == 0 {
		t.Fatalf("pgtest: no PostgreSQL in /usr/lib/postgresql: run `make test`, which installs it")
	}
	major := func(path string) int {
		n, _ := strconv.Atoi(strings.Split(path, "/")[4])
		return n
	}
	sort.Slice(found, func(i, j int) bool { return major(found[i]) < major(found[j]) })
	last := found[len(found)-1]
	return filepath.Dir(last), major(last)
}

// Dir makes a directory of the test that Owner owns, short enough for a socket.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pgt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	own(t, dir)
	return dir
}

func own(t testing.TB, path string) {
	t.Helper()
	u := Owner(t)
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	if err := os.Chown(path, uid, gid); err != nil {
		t.Fatal(err)
	}
}

// Start makes a cluster with these settings ("work_mem=1MB") and starts it.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	s := prepare(t)
	s.Run("initdb", "-D", s.DataDir, "-A", "trust", "-E", "UTF8", "--locale", "C.UTF-8", "--no-sync")
	s.start(settings)
	return s
}

// Standby clones the server and starts it as a standby named name.
func (s *Server) Standby(name string, settings ...string) *Server {
	s.t.Helper()
	sb := prepare(s.t)
	sb.Run("pg_basebackup", "-D", sb.DataDir, "-R", "-X", "stream", "-c", "fast",
		"-d", fmt.Sprintf("host=%s port=%d user=%s application_name=%s", s.SocketDir, s.Port, s.User, name))
	sb.start(settings)
	return sb
}

func prepare(t testing.TB) *Server {
	t.Helper()
	bin, version := Binaries(t)
	dir := Dir(t)
	return &Server{t: t, Version: version, BinDir: bin, DataDir: filepath.Join(dir, "data"), SocketDir: dir, Port: 5432, User: Owner(t).Username}
}

func (s *Server) start(settings []string) {
	s.t.Helper()
	options := fmt.Sprintf("-k %s -p %d -c fsync=off -c listen_addresses=", s.SocketDir, s.Port)
	for _, o := range settings {
		options += " -c " + o
	}
	s.Run("pg_ctl", "-D", s.DataDir, "-l", filepath.Join(s.SocketDir, "log"), "-o", options, "-w", "start")
	s.t.Cleanup(func() {
		_, _ = s.Try("pg_ctl", "-D", s.DataDir, "-m", "immediate", "-w", "stop")
	})
}

// Run runs one of PostgreSQL's programs as the owner and fails the test with it.
func (s *Server) Run(program string, args ...string) string {
	s.t.Helper()
	out, err := s.Try(program, args...)
	if err != nil {
		s.t.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
	return out
}

// Try is Run for what may fail.
func (s *Server) Try(program string, args ...string) (string, error) {
	c := exec.Command(filepath.Join(s.BinDir, program), args...)
	c.Dir, c.SysProcAttr = "/", credential(s.t)
	out, err := c.CombinedOutput()
	return string(out), err
}

// SQL runs statements with psql and answers what they print.
func (s *Server) SQL(sql string) string {
	s.t.Helper()
	return strings.TrimSpace(s.Run("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", s.SocketDir, "-p", strconv.Itoa(s.Port), "-d", "postgres", "-c", sql))
}

// credential makes a command run as the owner when root runs the test.
func credential(t testing.TB) *syscall.SysProcAttr {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	u := Owner(t)
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}
