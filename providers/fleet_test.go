package providers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pgtest"
	"github.com/repltool/repltool/providers/host"
	"github.com/repltool/repltool/providers/host/local"
	"github.com/repltool/repltool/providers/postgres"
	"github.com/repltool/repltool/topology"
)

// single is a topology of one node.
func single(n *topology.Node) *topology.Topology {
	c := &topology.Cluster{Name: "main", ID: "cluster.main", Primary: n}
	return &topology.Topology{Nodes: []*topology.Node{n}, Clusters: []*topology.Cluster{c}}
}

func inspectOne(t *testing.T, f *Fleet) *facts.Node {
	t.Helper()
	return f.Inspect(t.Context(), InspectOptions{}).Nodes["pg1"]
}

func mustRead(t *testing.T, f *Fleet) *facts.Server {
	t.Helper()
	n := inspectOne(t, f)
	if !n.Complete() || n.Server == nil {
		t.Fatalf("error %v, server error %v", n.Error, n.ServerError)
	}
	return n.Server
}

func ask(t *testing.T, n *Node, sql string) string {
	t.Helper()
	rows, err := n.Rows(t.Context(), "postgres", sql)
	if err != nil {
		t.Fatal(err)
	}
	return *rows[0][0]
}

// The socket is not where it was expected, and the port is another one.
func TestServerElsewhere(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{})
	for name, change := range map[string]func(n *topology.Node){
		"no socket directory": func(n *topology.Node) { n.SocketDir = "" },
		"another port":        func(n *topology.Node) { n.Port++ },
		"both":                func(n *topology.Node) { n.SocketDir, n.Port = "/nowhere", n.Port+1 },
	} {
		n := node("pg1", s)
		change(n)
		f := open(t, single(n), nil)
		if got := mustRead(t, f).Settings["data_directory"].Value; got != s.DataDir {
			t.Errorf("%s: read %s", name, got)
		}
		if got := ask(t, f.Node("pg1"), "SELECT current_setting('data_directory')"); got != s.DataDir {
			t.Errorf("%s: asked %s", name, got)
		}
	}
}

// Of two servers of one cluster on one machine, the other one answers.
func TestOtherServerAnswers(t *testing.T) {
	ours, other := pgtest.Start(t, pgtest.Options{}), pgtest.Start(t, pgtest.Options{})
	n := node("pg1", other)
	n.DataDir = ours.DataDir
	f := open(t, single(n), nil)
	if got := mustRead(t, f).Settings["data_directory"].Value; got != ours.DataDir {
		t.Errorf("read %s", got)
	}
	ours.Stop(t, syscall.SIGINT)
	if n := inspectOne(t, f); n.Role() != facts.RoleDown || n.Server != nil || n.ServerError != nil {
		t.Errorf("role %s, server error %v", n.Role(), n.ServerError)
	}
	err := f.Node("pg1").Exec(t.Context(), "postgres", "CREATE ROLE wrong")
	if err == nil || !strings.Contains(err.Error(), "pg1: connect: the server that answers uses the data directory "+other.DataDir) {
		t.Errorf("error %v", err)
	}
	if got := other.Query(t, "SELECT count(*) FROM pg_roles WHERE rolname = 'wrong'")[0][0]; got != "0" {
		t.Error("the other server was changed")
	}
}

func TestDataDirectoryByAnotherName(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{})
	link := s.SocketDir + "/link"
	if err := os.Symlink(s.DataDir, link); err != nil {
		t.Fatal(err)
	}
	n := node("pg1", s)
	n.DataDir = link
	f := open(t, single(n), nil)
	mustRead(t, f)
	if got := ask(t, f.Node("pg1"), "SELECT 'ok'"); got != "ok" {
		t.Error(got)
	}
}

// A restart under an idle session, and one that moves the server to another port.
func TestRestart(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{})
	n := node("pg1", s)
	f := open(t, single(n), nil)
	mustRead(t, f)
	pid := ask(t, f.Node("pg1"), "SELECT pg_backend_pid()")
	if again := ask(t, f.Node("pg1"), "SELECT pg_backend_pid()"); again != pid {
		t.Error("the session is not used again")
	}
	for _, how := range []os.Signal{syscall.SIGINT, syscall.SIGQUIT} {
		s.Stop(t, how)
		s.Start(t)
		if again := ask(t, f.Node("pg1"), "SELECT pg_backend_pid()"); again == pid {
			t.Error("it cannot be the same session")
		}
	}
	s.Stop(t, syscall.SIGINT)
	n.Port = pgtest.FreePort(t) // as the topology wants it
	s.Port = n.Port
	s.Start(t, "-c", fmt.Sprintf("port=%d", n.Port))
	if got := ask(t, f.Node("pg1"), "SHOW port"); got != fmt.Sprint(n.Port) {
		t.Errorf("port %s", got)
	}
	mustRead(t, f)
}

// The statement comes while the server is away for a moment.
func TestRestartIsWaitedFor(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{})
	f := open(t, single(node("pg1", s)), nil)
	mustRead(t, f)
	s.Stop(t, syscall.SIGINT)
	answer := make(chan error)
	go func() { answer <- f.Node("pg1").Exec(context.Background(), "postgres", "SELECT 1") }()
	time.Sleep(200 * time.Millisecond)
	s.Start(t)
	if err := <-answer; err != nil {
		t.Error(err)
	}
	s.Stop(t, syscall.SIGINT)
	begin := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := f.Node("pg1").Exec(ctx, "postgres", "SELECT 1")
	var e *postgres.Error
	if !errors.As(err, &e) || e.Kind != facts.Unreachable || time.Since(begin) > 20*time.Second {
		t.Errorf("after %s: %v", time.Since(begin), err)
	}
}

// A session in which a transaction was left open, or whose statement was cut off, is
// not lent again.
func TestSessionsAreClean(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{})
	f := open(t, single(node("pg1", s)), nil)
	n := f.Node("pg1")
	if err := n.Exec(t.Context(), "postgres", "BEGIN; CREATE ROLE half"); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, n, "SELECT count(*) FROM pg_roles WHERE rolname = 'half'"); got != "0" {
		t.Error("the transaction was gone on with")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := n.Exec(ctx, "postgres", "SELECT pg_sleep(60)"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if ask(t, n, "SELECT count(*) FROM pg_stat_activity WHERE query ~ 'pg_sleep' AND pid <> pg_backend_pid() AND state = 'active'") == "0" {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the statement still runs on the server")
		}
	}
}

// What a standby ends for what it replays is run again; a sequence counts, since it is not rolled
// back.
func TestConflictWithRecovery(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{})
	s.Query(t, `CREATE SEQUENCE tries; CREATE FUNCTION conflict() RETURNS int LANGUAGE plpgsql AS
		'BEGIN IF nextval(''public.tries'') < 3 THEN RAISE SQLSTATE ''40001''; END IF; RETURN 7; END'`)
	f := open(t, single(node("pg1", s)), nil)
	mustRead(t, f)
	if got := ask(t, f.Node("pg1"), "SELECT public.conflict()::text"); got != "7" {
		t.Error(got)
	}
}

func TestSideBySide(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{})
	s.Query(t, `CREATE DATABASE other`)
	f := open(t, single(node("pg1", s)), nil)
	mustRead(t, f)
	var all sync.WaitGroup
	for i := range 24 {
		all.Go(func() {
			database := []string{"postgres", "other"}[i%2]
			rows, err := f.Node("pg1").Rows(t.Context(), database, "SELECT current_database(), NULL, pg_sleep(0.01)")
			if err != nil || *rows[0][0] != database || rows[0][1] != nil {
				t.Errorf("%v, %v", rows, err)
			}
		})
	}
	all.Wait()
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) { // a backend takes its time to go
		got := s.Query(t, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'repltool'")[0][0]
		if got == "0" || got == "1" {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%s sessions are left open", got)
		}
	}
}

func TestSQLBlock(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{HBA: "local all all peer\nhost all all 127.0.0.1/32 scram-sha-256\n"})
	n := node("pg1", s)
	admin := open(t, single(n), nil).Node("pg1")
	if err := admin.Exec(t.Context(), "postgres", `CREATE ROLE "d ba" SUPERUSER LOGIN PASSWORD 'it''s \ é='`); err != nil {
		t.Fatal(err)
	}
	block := *n
	block.SQL = &topology.SQL{Host: "127.0.0.1", Port: s.Port, User: "d ba", SSLMode: "prefer", Password: topology.NewSecret("p", `it's \ é=`)}
	f := open(t, single(&block), nil)
	mustRead(t, f)
	if got := ask(t, f.Node("pg1"), "SELECT current_user || ' ' || inet_server_port()"); got != fmt.Sprint("d ba ", s.Port) {
		t.Error(got)
	}
	only := block
	only.Access = topology.AccessSQL
	if n := inspectOne(t, open(t, single(&only), nil)); n.Server == nil || n.Host != nil || n.Error != nil {
		t.Errorf("without a machine: %v %v", n.Error, n.ServerError)
	}
	wrong := block
	sql := *block.SQL
	sql.Password = topology.NewSecret("p", "canary' \\'x")
	wrong.SQL = &sql
	found := inspectOne(t, open(t, single(&wrong), nil))
	if found.Host == nil || found.ServerError == nil || found.ServerError.Kind != facts.AuthFailed || strings.Contains(fmt.Sprint(*found.ServerError), "canary") {
		t.Errorf("wrong password: %+v", found.ServerError)
	}
	other := pgtest.Start(t, pgtest.Options{Fresh: true})
	away := block
	away.SQL = &topology.SQL{Host: "127.0.0.1", Port: other.Port, User: other.User, SSLMode: "disable"}
	if found := inspectOne(t, open(t, single(&away), nil)); found.ServerError == nil || found.ServerError.Kind != facts.BadData {
		t.Errorf("another cluster: %+v", found.ServerError)
	}
}

// Nodes that fail in their ways, and one that does not.
func TestFailures(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{})
	names := []string{"good", "refused", "hangs", "locked"}
	c := &topology.Cluster{Name: "main", ID: "cluster.main", Primary: node("primary", s)}
	top := &topology.Topology{Clusters: []*topology.Cluster{c}, Nodes: []*topology.Node{c.Primary}}
	for _, name := range names {
		n := node(name, s)
		top.Nodes = append(top.Nodes, n)
		c.Standbys = append(c.Standbys, &topology.Standby{Node: n, Upstream: top.Nodes[0]})
	}
	locked := pgtest.Start(t, pgtest.Options{HBA: "local all all reject\n"})
	last := top.Nodes[len(top.Nodes)-1]
	last.Port, last.DataDir, last.SocketDir = locked.Port, locked.DataDir, locked.SocketDir
	f := Open(top, func(ctx context.Context, n *topology.Node) (host.Conn, error) {
		switch n.Name {
		case "refused":
			return nil, &host.Error{Kind: facts.HostKey, Node: n.Name, Op: "ssh", Err: errors.New("the key is unknown"), Hint: "look"}
		case "hangs":
			<-ctx.Done()
			return nil, fmt.Errorf("dial: %w", ctx.Err())
		}
		return local.Open(n)
	})
	defer f.Close()
	found := f.Inspect(t.Context(), InspectOptions{Parallelism: 2, Timeout: 15 * time.Second}) // what a loaded machine takes for the good one
	if n := found.Nodes["good"]; !n.Complete() || n.Server == nil {
		t.Errorf("good: %+v %+v", n.Error, n.ServerError)
	}
	if e := found.Nodes["refused"].Error; e == nil || e.Kind != facts.HostKey || e.Hint != "look" || e.Text != "ssh: the key is unknown" {
		t.Errorf("refused: %+v", e)
	}
	if e := found.Nodes["hangs"].Error; e == nil || e.Kind != facts.TimedOut {
		t.Errorf("hangs: %+v", e)
	}
	n := found.Nodes["locked"]
	if n.Host == nil || !n.Host.Running || n.Role() != facts.RoleUnknown {
		t.Errorf("locked: %+v", n)
	}
	if e := n.ServerError; e == nil || e.Kind != facts.AuthFailed || !strings.Contains(e.Hint, "local  all  "+locked.User+"  peer") {
		t.Errorf("locked: %+v", e)
	}
}
