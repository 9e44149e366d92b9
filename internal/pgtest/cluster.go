package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/repltool/repltool/internal/pg/conninfo"
)

// account is whom the servers run as: PostgreSQL refuses root.
type account struct {
	name       string
	credential *syscall.Credential // nil: as we are
}

func whoami(t testing.TB) account {
	t.Helper()
	if os.Geteuid() != 0 {
		u, err := user.Current()
		if err != nil {
			t.Fatal(err)
		}
		return account{name: u.Username}
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			uid, _ := strconv.ParseUint(u.Uid, 10, 32) // a user's ids are numbers
			gid, _ := strconv.ParseUint(u.Gid, 10, 32)
			return account{name: name, credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
		}
	}
	t.Fatal("there is no user whom PostgreSQL can run as")
	return account{}
}

// own gives a file to the account.
func (a account) own(t testing.TB, path string) {
	t.Helper()
	if a.credential == nil {
		return
	}
	if err := os.Chown(path, int(a.credential.Uid), int(a.credential.Gid)); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) command(name string, arguments ...string) *exec.Cmd {
	cmd := exec.Command(name, arguments...)
	cmd.Dir, cmd.Env = "/", []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "HOME=" + s.SocketDir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.account.credential}
	return cmd
}

// Run runs one of PostgreSQL's programs, or another one by its path, as the user
// that the server runs as.
func (s *Server) Run(t testing.TB, name string, arguments ...string) string {
	t.Helper()
	if !strings.HasPrefix(name, "/") {
		name = s.Bin + "/" + name
	}
	out, err := s.command(name, arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, arguments, err, out)
	}
	return string(out)
}

// makeCluster makes the data directory, by initdb or as a copy of the one that
// initdb made for an earlier test.
func (s *Server) makeCluster(t testing.TB, o Options) {
	t.Helper()
	if o.Fresh || len(o.InitDB) > 0 {
		s.initdb(t, s.DataDir, o.InitDB...)
	} else {
		s.Run(t, "/bin/cp", "-a", s.template(t), s.DataDir)
	}
	s.Write(t, "postgresql.conf", strings.Join([]string{
		"listen_addresses = '127.0.0.1'", fmt.Sprintf("port = %d", s.Port), "unix_socket_directories = '" + s.SocketDir + "'",
		"fsync = off", "logging_collector = off", "datestyle = 'iso, mdy'", "",
	}, "\n"))
}

func (s *Server) initdb(t testing.TB, dir string, more ...string) {
	t.Helper()
	s.Run(t, "initdb", append([]string{"-D", dir, "-U", s.User, "-A", "trust", "-N", "--locale=C.UTF-8", "-E", "UTF8"}, more...)...)
}

// template returns a data directory to copy. It is kept between runs; of two tests
// that make it at once, the later one's is thrown away.
func (s *Server) template(t testing.TB) string {
	t.Helper()
	version := strings.Fields(s.Run(t, "postgres", "--version"))[2]
	home := filepath.Join(os.TempDir(), "repltool-pgtest-"+s.User)
	dir := filepath.Join(home, version)
	if exists(filepath.Join(dir, "PG_VERSION")) {
		return dir
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		t.Fatal(err)
	}
	s.account.own(t, home)
	made, err := os.MkdirTemp(home, "new")
	if err != nil {
		t.Fatal(err)
	}
	s.account.own(t, made)
	s.initdb(t, made+"/data")
	if err := os.Rename(made+"/data", dir); err != nil && !exists(filepath.Join(dir, "PG_VERSION")) {
		t.Fatal(err)
	}
	os.RemoveAll(made)
	return dir
}

// Write replaces a file of the data directory.
func (s *Server) Write(t testing.TB, name, text string) {
	t.Helper()
	path := filepath.Join(s.DataDir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.account.own(t, path)
}

// Append adds lines to a file of the data directory.
func (s *Server) Append(t testing.TB, name string, lines ...string) {
	t.Helper()
	old, err := os.ReadFile(filepath.Join(s.DataDir, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	s.Write(t, name, string(old)+strings.Join(lines, "\n")+"\n")
}

// Standby clones the server and starts the clone. With a slot it follows by that
// slot, which must be there.
func (s *Server) Standby(t testing.TB, name, slot string, conf ...string) *Server {
	t.Helper()
	c := prepare(t, s.Version)
	arguments := []string{
		"-D", c.DataDir, "-R", "-X", "stream", "-c", "fast", "-d",
		conninfo.Format([]conninfo.Pair{
			{Key: "host", Value: s.SocketDir},
			{Key: "port", Value: strconv.Itoa(s.Port)},
			{Key: "user", Value: s.User},
			{Key: "application_name", Value: name},
		}),
	}
	if slot != "" {
		arguments = append(arguments, "-S", slot)
	}
	c.Run(t, "pg_basebackup", arguments...)
	if slot == "" { // the upstream's own came with its files
		c.Append(t, "postgresql.auto.conf", "primary_slot_name = ''")
	}
	c.Append(t, "postgresql.conf", append([]string{
		fmt.Sprintf("port = %d", c.Port), "unix_socket_directories = '" + c.SocketDir + "'",
	}, conf...)...)
	c.Start(t)
	return c
}

// Dial opens the server's socket, or another one.
func (s *Server) Dial(ctx context.Context, path string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "unix", path)
}

func (s *Server) connect() (*pgconn.PgConn, error) {
	return pgconn.Connect(context.Background(), fmt.Sprintf("host=%s port=%d user=%s dbname=postgres sslmode=disable application_name=pgtest",
		s.SocketDir, s.Port, s.User))
}

// Session opens a session that lasts as long as the test.
func (s *Server) Session(t testing.TB) *pgconn.PgConn {
	t.Helper()
	conn, err := s.connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// Query runs statements on a session of its own and returns the last one's rows.
func (s *Server) Query(t testing.TB, sql string) [][]string {
	t.Helper()
	conn, err := s.connect()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	results, err := conn.Exec(context.Background(), sql).ReadAll()
	if err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
	var all [][]string
	for _, row := range results[len(results)-1].Rows {
		var texts []string
		for _, value := range row {
			texts = append(texts, string(value))
		}
		all = append(all, texts)
	}
	return all
}
