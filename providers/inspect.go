package providers

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/repltool/repltool/providers/facts"
	"github.com/repltool/repltool/providers/host"
	"github.com/repltool/repltool/providers/postgres"
	"github.com/repltool/repltool/topology"
)

// InspectOptions bound a reading.
type InspectOptions struct {
	Parallelism int           // nodes at a time; 0: all
	Timeout     time.Duration // for one node; 0: 30 s
}

const defaultTimeout = 30 * time.Second

// Inspect reads the nodes of every cluster. A node that cannot be read is told in
// its facts; the others are read all the same.
func (f *Fleet) Inspect(ctx context.Context, o InspectOptions) facts.Facts {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Parallelism <= 0 {
		o.Parallelism = -1
	}
	all := facts.Facts{Nodes: map[string]*facts.Node{}}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(o.Parallelism)
	for _, c := range f.topology.Clusters {
		for _, member := range c.Members() {
			group.Go(func() error {
				ctx, cancel := context.WithTimeout(ctx, o.Timeout)
				defer cancel()
				found := f.nodes[member.Name].inspect(ctx, c)
				mu.Lock()
				defer mu.Unlock()
				all.Nodes[member.Name] = found
				return nil
			})
		}
	}
	_ = group.Wait() // no reading answers an error: it is in the facts
	return all
}

// reading is what the SQL side of one node found.
type reading struct {
	server *facts.Server
	err    error
}

// inspect reads one node: the machine and, on a second session at the same time,
// the server where it is to be expected.
func (n *Node) inspect(ctx context.Context, c *topology.Cluster) *facts.Node {
	found := &facts.Node{Name: n.topology.Name}
	conn, err := n.Conn(ctx)
	if err != nil {
		found.Error = host.ReadError(err)
		return found
	}
	guess := make(chan reading, 1)
	guessed := n.socketDir()
	go func() { guess <- n.read(ctx) }()
	h, err := host.Discover(ctx, conn, n.want(c))
	first := <-guess
	if err != nil {
		found.Error = host.ReadError(err)
		return found
	}
	n.mu.Lock()
	n.host = h
	n.mu.Unlock()
	found.Host = h
	if !h.Running {
		return found
	}
	if !belongs(first.server, h) && n.socketDir() != guessed {
		first = n.read(ctx) // the server listens elsewhere than expected
	}
	if belongs(first.server, h) {
		found.Server = first.server
		return found
	}
	found.ServerError = n.serverError(first)
	return found
}

// belongs tells whether the server that answered is the one whose files were
// found. A data directory may be known by two names; its system identifier is one.
func belongs(s *facts.Server, h *facts.Host) bool {
	if s == nil {
		return false
	}
	return s.DataDirectory == h.DataDir || h.Control != nil && h.Control.SystemIdentifier == s.SystemIdentifier
}

func (n *Node) serverError(r reading) *facts.ReadError {
	if r.err == nil {
		return &facts.ReadError{Kind: facts.BadData, Text: "the server that answers has another data directory: " + r.server.DataDirectory,
			Hint: "set data_dir or port on the node"}
	}
	user := ""
	if n.conn != nil {
		user = n.conn.OSUser()
	}
	return &facts.ReadError{Kind: postgres.Kind(r.err), Text: "sql: " + r.err.Error(), Hint: postgres.Hint(r.err, user)}
}

// read reads the server in a session of its own, which sets nothing.
func (n *Node) read(ctx context.Context) reading {
	db, err := n.connect(ctx, postgres.Target{Database: "postgres", Reading: true})
	if err != nil {
		return reading{err: err}
	}
	defer closeSoon(db)
	server, err := postgres.Read(ctx, db)
	return reading{server: server, err: err}
}

// want is what the topology says of the node, for discovery.
func (n *Node) want(c *topology.Cluster) host.Want {
	t := n.topology
	w := host.Want{
		NodeName: t.Name, ClusterName: c.Name, Port: t.Port, Version: c.Version,
		DataDir: t.DataDir, ConfigDir: t.ConfigDir, BinDir: t.BinDir, SocketDir: t.SocketDir, Service: t.Service,
		Parameters: map[string]string{}, Locale: c.InitDB.Locale, Encoding: c.InitDB.Encoding,
	}
	for _, m := range c.Members() {
		if m != t {
			w.Resolve = append(w.Resolve, m.Address)
		}
	}
	for name, p := range c.ParametersOf(t) {
		if !p.Secret.IsSet() {
			w.Parameters[name] = p.Value
		}
	}
	if c.BaseBackup.WALDir != "" {
		w.Dirs = append(w.Dirs, c.BaseBackup.WALDir)
	}
	return w
}
