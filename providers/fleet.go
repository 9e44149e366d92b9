// Package providers reads what lives. A Fleet holds what is open of a topology's
// nodes; Inspect reads them side by side and returns facts. Neither decides
// anything.
//
// Rules:
//   - a node costs one connection to its machine, with many sessions on it; reading
//     it takes one command and one query, side by side, and a second query where
//     there is a ledger;
//   - one node that fails never stops another: why it failed is in its facts;
//   - a server that answers is taken for the node's only once its data directory is
//     the one that was found on the machine;
//   - a statement is sent once. What is tried again is connecting, before it.
package providers

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/providers/host"
	"github.com/repltool/repltool/providers/postgres"
	"github.com/repltool/repltool/topology"
)

// Dialer opens the way to a node's machine.
type Dialer func(ctx context.Context, n *topology.Node) (host.Conn, error)

// Fleet is the nodes of a topology as far as they are open.
type Fleet struct {
	topology *topology.Topology
	nodes    map[string]*Node
}

// Open makes a fleet; nothing is contacted yet.
func Open(t *topology.Topology, dial Dialer) *Fleet {
	f := &Fleet{topology: t, nodes: map[string]*Node{}}
	wants := logicalWants(t)
	for _, n := range t.Nodes {
		f.nodes[n.Name] = &Node{topology: n, dial: dial, dialing: make(chan struct{}, 1), inUse: make(chan struct{}, maxInUse), logical: wants[t.Cluster(n)]}
	}
	return f
}

// Node returns the node of that name, or nil.
func (f *Fleet) Node(name string) *Node { return f.nodes[name] }

// Close ends every connection, side by side.
func (f *Fleet) Close() error {
	var mu sync.Mutex
	var errs []error
	var all sync.WaitGroup
	for _, n := range f.nodes {
		all.Go(func() {
			err := n.close()
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// Node is one node with its connection and its SQL sessions. Its methods may be
// called side by side.
type Node struct {
	topology *topology.Node
	dial     Dialer
	// logical is, by database, what is asked of it while it is its cluster's primary.
	logical map[string]*postgres.LogicalWant

	dialing chan struct{} // holds one element while the machine is dialed
	conn    host.Conn     // guarded by dialing
	reached bool          // it was reached before; guarded by mu

	inUse chan struct{} // holds one element for each session that is lent out

	mu    sync.Mutex
	host  *facts.Host // as last read
	found *place      // where its server last answered
	idle  *session
}

// Topology returns the node as the topology has it.
func (n *Node) Topology() *topology.Node { return n.topology }

// Host returns the machine as last read, or nil.
func (n *Node) Host() *facts.Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.host
}

// Conn returns the connection to the machine: opened on first use, and again when it was
// lost.
func (n *Node) Conn(ctx context.Context) (host.Conn, error) {
	select {
	case n.dialing <- struct{}{}:
	case <-ctx.Done():
		return nil, n.named(fmt.Errorf("wait for the connection: %w", context.Cause(ctx)))
	}
	defer func() { <-n.dialing }()
	if n.conn != nil && gone(n.conn) {
		_ = n.conn.Close() // it is lost already
		n.conn = nil
	}
	if n.conn == nil {
		conn, err := n.dial(ctx, n.topology)
		if err != nil {
			return nil, err
		}
		n.conn = conn
		n.mu.Lock()
		n.reached = true
		n.mu.Unlock()
	}
	return n.conn, nil
}

func gone(c host.Conn) bool {
	select {
	case <-c.Lost():
		return true
	default:
		return false
	}
}

func (n *Node) reachedBefore() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.reached
}

func (n *Node) close() error {
	n.mu.Lock()
	idle := n.idle
	n.idle = nil
	n.mu.Unlock()
	idle.end()
	n.dialing <- struct{}{}
	defer func() { <-n.dialing }()
	if n.conn == nil {
		return nil
	}
	err := n.conn.Close()
	n.conn = nil
	if err != nil {
		return fmt.Errorf("%s: close: %w", n.topology.Name, err)
	}
	return nil
}
