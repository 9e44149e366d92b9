// Package providers reads what lives. Fleet holds what is open, one SSH
// connection a node with many sessions on it; Inspect reads every node side by
// side and answers facts. Neither decides anything.
package providers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/repltool/repltool/providers/facts"
	"github.com/repltool/repltool/providers/host"
	"github.com/repltool/repltool/providers/postgres"
	"github.com/repltool/repltool/topology"
)

// Dialer opens the way to a node's machine.
type Dialer func(ctx context.Context, n *topology.Node) (host.Conn, error)

// Fleet is the nodes of a topology as far as they are open.
type Fleet struct {
	topology *topology.Topology
	dial     Dialer
	nodes    map[string]*Node
}

// Open makes a fleet; nothing is contacted yet.
func Open(t *topology.Topology, dial Dialer) *Fleet {
	f := &Fleet{topology: t, dial: dial, nodes: map[string]*Node{}}
	for _, n := range t.Nodes {
		f.nodes[n.Name] = &Node{topology: n, dial: dial, idle: map[string][]*postgres.DB{}}
	}
	return f
}

// Node answers the node of that name, or nil.
func (f *Fleet) Node(name string) *Node { return f.nodes[name] }

// Close ends every connection.
func (f *Fleet) Close() error {
	var errs []error
	for _, n := range f.nodes {
		errs = append(errs, n.close())
	}
	return errors.Join(errs...)
}

// Node is one node with its connection and its SQL sessions.
type Node struct {
	topology *topology.Node
	dial     Dialer

	mu   sync.Mutex
	conn host.Conn
	host *facts.Host // as last read
	idle map[string][]*postgres.DB
}

// Conn answers the connection to the machine, opened on first use.
func (n *Node) Conn(ctx context.Context) (host.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.conn == nil {
		conn, err := n.dial(ctx, n.topology)
		if err != nil {
			return nil, err
		}
		n.conn = conn
	}
	return n.conn, nil
}

// Topology answers the node as the topology has it.
func (n *Node) Topology() *topology.Node { return n.topology }

// Host answers the machine as last read, or nil.
func (n *Node) Host() *facts.Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.host
}

// Exec runs statements as one string in one session.
func (n *Node) Exec(ctx context.Context, database, sql string) error {
	return n.with(ctx, database, func(db *postgres.DB) error { return db.Exec(ctx, sql) })
}

// Rows runs statements as one string and answers the last one's rows; NULL is nil.
func (n *Node) Rows(ctx context.Context, database, sql string) (rows [][]*string, err error) {
	err = n.with(ctx, database, func(db *postgres.DB) error {
		rows, err = db.Rows(ctx, sql)
		return err
	})
	return rows, err
}

// Session opens a session of its own, for who holds it open.
func (n *Node) Session(ctx context.Context, database, application string) (*postgres.DB, error) {
	return n.connect(ctx, postgres.Target{Database: database, Application: application})
}

// with lends a session.
func (n *Node) with(ctx context.Context, database string, use func(*postgres.DB) error) error {
	db, err := n.take(ctx, database)
	if err != nil {
		return err
	}
	err = use(db)
	n.give(ctx, database, db)
	return err
}

// take answers an idle session that still lives, or a new one. The server may
// have been restarted since it was last used, so it is asked first: a statement
// that fails in the middle must not be tried again blindly.
func (n *Node) take(ctx context.Context, database string) (*postgres.DB, error) {
	for {
		db := n.pop(database)
		if db == nil {
			return n.connect(ctx, postgres.Target{Database: database})
		}
		if db.Exec(ctx, "") == nil {
			return db, nil
		}
		closeSoon(db)
	}
}

func (n *Node) pop(database string) *postgres.DB {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := n.idle[database]
	if len(list) == 0 {
		return nil
	}
	n.idle[database] = list[:len(list)-1]
	return list[len(list)-1]
}

func (n *Node) give(ctx context.Context, database string, db *postgres.DB) {
	if db.Closed() || ctx.Err() != nil {
		closeSoon(db)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.idle[database] = append(n.idle[database], db)
}

// closeSoon ends a session without waiting long for its farewell.
func closeSoon(db *postgres.DB) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = db.Close(ctx) // it is of no use any more
}

// connect opens a session where the node's server was found, or where a new one
// will be.
func (n *Node) connect(ctx context.Context, t postgres.Target) (*postgres.DB, error) {
	if n.topology.SQL != nil {
		return postgres.ConnectTCP(ctx, n.topology.SQL, t)
	}
	conn, err := n.Conn(ctx)
	if err != nil {
		return nil, err
	}
	t.Port, t.User, t.SocketDir = n.topology.Port, conn.OSUser(), n.socketDir()
	db, err := postgres.Connect(ctx, func(ctx context.Context, socket string) (net.Conn, error) { return conn.Dial(ctx, socket) }, t)
	if err != nil {
		return nil, fmt.Errorf("%s/.s.PGSQL.%d as %s: %w", t.SocketDir, t.Port, t.User, err)
	}
	return db, nil
}

// defaultSocketDir is where Debian and RPM builds put the socket.
const defaultSocketDir = "/var/run/postgresql"

// socketDir is where the socket was found, or else is to be expected.
func (n *Node) socketDir() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.topology.SocketDir != "":
		return n.topology.SocketDir
	case n.host != nil && n.host.SocketDir != "":
		return n.host.SocketDir
	default:
		return defaultSocketDir
	}
}

func (n *Node) close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, list := range n.idle {
		for _, db := range list {
			closeSoon(db)
		}
	}
	n.idle = map[string][]*postgres.DB{}
	if n.conn == nil {
		return nil
	}
	err := n.conn.Close()
	n.conn = nil
	return err
}
