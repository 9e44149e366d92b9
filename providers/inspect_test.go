package providers

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/scram"
	"github.com/repltool/repltool/internal/pgtest"
	"github.com/repltool/repltool/providers/host"
	"github.com/repltool/repltool/providers/host/local"
	"github.com/repltool/repltool/topology"
)

// counting is a connection that counts what crosses it.
type counting struct {
	host.Conn
	runs, dials, writes *atomic.Int64
}

func (c counting) Run(ctx context.Context, cmd host.Command) ([]byte, error) {
	c.runs.Add(1)
	return c.Conn.Run(ctx, cmd)
}

func (c counting) Dial(ctx context.Context, socket string) (net.Conn, error) {
	c.dials.Add(1)
	conn, err := c.Conn.Dial(ctx, socket)
	return countingConn{conn, c.writes}, err
}

type countingConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c countingConn) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

func node(name string, s *pgtest.Server) *topology.Node {
	return &topology.Node{
		Name: name, Host: "localhost", Address: "127.0.0.1", Port: s.Port, Access: topology.AccessLocal,
		DataDir: s.DataDir, SocketDir: s.SocketDir,
	}
}

func pair(t *testing.T) (primary, standby *pgtest.Server, top *topology.Topology) {
	t.Helper()
	primary = pgtest.Start(t, pgtest.Options{Conf: []string{"cluster_name = 'one'"}})
	primary.Query(t, "SELECT pg_create_physical_replication_slot('pg2', true)")
	standby = primary.Standby(t, "pg2", "pg2")
	c := &topology.Cluster{Name: "main", ID: "cluster.main", Primary: node("pg1", primary)}
	c.Standbys = []*topology.Standby{{Node: node("pg2", standby), Upstream: c.Primary}}
	return primary, standby, &topology.Topology{Nodes: c.Members(), Clusters: []*topology.Cluster{c}}
}

func open(t *testing.T, top *topology.Topology, wrap func(host.Conn) host.Conn) *Fleet {
	t.Helper()
	f := Open(top, func(_ context.Context, n *topology.Node) (host.Conn, error) {
		conn, err := local.Open(n)
		if err == nil && wrap != nil {
			conn = wrap(conn)
		}
		return conn, err
	})
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return f
}

func TestInspect(t *testing.T) {
	primary, _, top := pair(t)
	primary.Query(t, `CREATE ROLE "it's ""odd"" é" LOGIN PASSWORD 'canary' CONNECTION LIMIT 3 VALID UNTIL '2030-01-02 03:04:05+00' IN ROLE pg_monitor`)
	primary.Query(t, `ALTER ROLE "it's ""odd"" é" SET work_mem = '7MB'`)
	primary.Query(t, `CREATE DATABASE "shop é" OWNER "it's ""odd"" é"`)
	primary.Query(t, `ALTER SYSTEM SET work_mem = '9MB'`)
	primary.Query(t, "SELECT pg_reload_conf()")
	primary.Query(t, "CREATE SCHEMA repltool; CREATE TABLE repltool.managed (address text PRIMARY KEY, object text NOT NULL, since timestamptz NOT NULL DEFAULT now()); INSERT INTO repltool.managed VALUES ('a', 'role a')")
	f := open(t, top, nil).Inspect(t.Context(), InspectOptions{})
	one, two := f.Nodes["pg1"], f.Nodes["pg2"]
	for _, n := range []*facts.Node{one, two} {
		if !n.Complete() || n.Server == nil {
			t.Fatalf("%s: %+v %+v", n.Name, n.Error, n.ServerError)
		}
	}
	if one.Role() != facts.RolePrimary || two.Role() != facts.RoleStandby || one.Server.SystemIdentifier != two.Server.SystemIdentifier || one.Server.Timeline != 1 || two.Server.Timeline != 1 {
		t.Errorf("roles %s and %s, systems %s and %s, timelines %d and %d", one.Role(), two.Role(), one.Server.SystemIdentifier, two.Server.SystemIdentifier, one.Server.Timeline, two.Server.Timeline)
	}
	i := slices.IndexFunc(one.Server.Roles, func(r facts.Role) bool { return r.Name == `it's "odd" é` })
	if i < 0 {
		t.Fatalf("the role was not found among %d", len(one.Server.Roles))
	}
	r := one.Server.Roles[i]
	if r.ConnectionLimit != 3 || r.ValidUntil != "2030-01-02 03:04:05+00" || !slices.Equal(r.MemberOf, []string{"pg_monitor"}) || r.Parameters["work_mem"].Value != "7MB" || !r.Login || r.Replication {
		t.Errorf("role: %+v", r.Role)
	}
	if !scram.Matches(r.Verifier.Reveal(), r.Name, "canary") {
		t.Error("the verifier of the server does not match the password")
	}
	if s := one.Server.Settings["work_mem"]; s.Value != "9216" || s.Unit != "kB" || !strings.HasSuffix(s.SourceFile, "postgresql.auto.conf") || s.Context != "user" {
		t.Errorf("work_mem: %+v", s)
	}
	if l := one.Server.Ledger; l == nil || len(l.Managed) != 1 || l.Managed[0].Object != "role a" {
		t.Errorf("ledger: %+v", l)
	}
	if len(one.Server.Slots) != 1 || !one.Server.Slots[0].Active || one.Server.Slots[0].WALStatus != "reserved" {
		t.Errorf("slots: %+v", one.Server.Slots)
	}
	if len(one.Server.Senders) != 1 || one.Server.Senders[0].ApplicationName != "pg2" || one.Server.Senders[0].SlotName != "pg2" || one.Server.Senders[0].State != "streaming" {
		t.Errorf("senders: %+v", one.Server.Senders)
	}
	if w := two.Server.Receiver; w == nil || w.Status != "streaming" || w.SlotName != "pg2" {
		t.Errorf("receiver: %+v", w)
	}
	if c := two.Server.ConnInfo.Reveal(); !strings.Contains(c, "application_name=pg2") {
		t.Errorf("primary_conninfo: %s", c)
	}
	if _, there := two.Server.Settings["primary_conninfo"]; there {
		t.Error("primary_conninfo is among the settings")
	}
	if !two.Host.StandbySignal || one.Host.Control == nil || !strings.Contains(one.Host.HBA.Text, "trust") || one.Host.Version != primary.Version {
		t.Errorf("host: %+v", one.Host)
	}
	if len(one.Server.HBA) == 0 || len(one.Server.FileSettings) == 0 || one.Server.ConfLoaded < one.Host.HBA.Modified {
		t.Errorf("%d rules, %d file settings, loaded %f, modified %f", len(one.Server.HBA), len(one.Server.FileSettings), one.Server.ConfLoaded, one.Host.HBA.Modified)
	}
}

// TestRoundTrips: reading a node costs the same, whatever is on it: one command and
// one session; in it the startup, one query and the farewell, and one query more
// where there is a ledger.
func TestRoundTrips(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{})
	measure := func() string {
		var runs, dials, writes atomic.Int64
		f := open(t, single(node("pg1", s)), func(c host.Conn) host.Conn { return counting{c, &runs, &dials, &writes} })
		mustRead(t, f)
		return fmt.Sprintf("%d command, %d session, %d writes", runs.Load(), dials.Load(), writes.Load())
	}
	if got := measure(); got != "1 command, 1 session, 3 writes" {
		t.Errorf("without a ledger: %s", got)
	}
	s.Query(t, "CREATE SCHEMA repltool; CREATE TABLE repltool.managed (address text PRIMARY KEY, object text NOT NULL, since timestamptz NOT NULL DEFAULT now())")
	for i := range 100 {
		s.Query(t, fmt.Sprintf("CREATE ROLE r%d; INSERT INTO repltool.managed VALUES ('%[1]d', 'role r%[1]d')", i))
	}
	if got := measure(); got != "1 command, 1 session, 4 writes" {
		t.Errorf("with a ledger and 100 roles: %s", got)
	}
}

func TestInspectDown(t *testing.T) {
	primary, standby, top := pair(t)
	standby.Stop(t, syscall.SIGINT)
	f := open(t, top, nil).Inspect(t.Context(), InspectOptions{})
	if n := f.Nodes["pg2"]; n.Role() != facts.RoleDown || n.Host.Control == nil || !n.Complete() {
		t.Errorf("%s: %+v", n.Role(), n)
	}
	_ = primary
}

// TestListensElsewhere: through an sql block a server on another port is not found, and the
// reason names that port.
func TestListensElsewhere(t *testing.T) {
	refused := &facts.ReadError{Kind: facts.Unreachable, Text: "connection refused", Hint: "is it up?"}
	n := &Node{topology: &topology.Node{Name: "pg1", Port: 5444, SQL: &topology.SQL{Host: "pg1", Port: 5444}}}
	if e := n.listensElsewhere(refused, &facts.Host{Port: 5432}); !strings.Contains(e.Hint, "listens on port 5432") || !strings.Contains(e.Hint, "port = 5432") {
		t.Errorf("the hint is %q", e.Hint)
	}
	if e := n.listensElsewhere(refused, &facts.Host{Port: 5444}); e.Hint != refused.Hint {
		t.Errorf("the hint is %q", e.Hint)
	}
}
