package providers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/providers/host"
	"github.com/repltool/repltool/providers/postgres"
	"github.com/repltool/repltool/topology"
)

// InspectOptions bound a reading.
type InspectOptions struct {
	Parallelism int           // nodes at a time; 0: all
	Timeout     time.Duration // for one node; 0: 30 s
	// Replace are the addresses of what is to be replaced: subscriptions among them copy
	// their tables again.
	Replace []string
}

const (
	defaultTimeout = 30 * time.Second
	// maintenance is the database that is read: the ledger is in it.
	maintenance = "postgres"
)

// Inspect reads the nodes of every cluster. A node that cannot be read is reported in
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
				var found *facts.Node
				if failed := guarded(func() { found = f.nodes[member.Name].inspect(ctx, f.topology, c, o.Timeout) }); failed != nil {
					found = &facts.Node{Name: member.Name, Error: failed}
				}
				mu.Lock()
				defer mu.Unlock()
				all.Nodes[member.Name] = found
				return nil
			})
		}
	}
	_ = group.Wait() // no reading returns an error: it is in the facts
	f.lookAgain(ctx, o, all)
	f.lookAtSubscribers(ctx, o, all)
	f.lookAtPublishers(ctx, o, all)
	f.define(ctx, o, all)
	return all
}

// inspect reads one node within its time.
func (n *Node) inspect(ctx context.Context, t *topology.Topology, c *topology.Cluster, timeout time.Duration) *facts.Node {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if n.topology.Access == topology.AccessSQL {
		return n.inspectSQL(ctx)
	}
	found := &facts.Node{Name: n.topology.Name}
	conn, err := n.Conn(ctx)
	if err != nil {
		found.Error = readError(err)
		return found
	}
	h, r, err := n.readBoth(ctx, conn, want(t, n.topology, c))
	if err != nil {
		found.Error = readError(err)
		return found
	}
	found.Host = h
	n.judge(ctx, found, r)
	readStandbyPassfile(ctx, conn, found)
	return found
}

// inspectSQL reads a node that has no machine to look at.
func (n *Node) inspectSQL(ctx context.Context) *facts.Node {
	r := n.read(ctx, place{}, looked())
	return &facts.Node{Name: n.topology.Name, Server: r.server, ServerError: readError(r.err)}
}

// reading is what the SQL side of one node found.
type reading struct {
	at     place
	server *facts.Server
	err    error
}

// readBoth reads the machine and, on a second session at the same time, the server
// where it last answered or is to be expected. The server is asked once the machine is known
// to have no file that would hold it up.
func (n *Node) readBoth(ctx context.Context, conn host.Conn, w host.Want) (*facts.Host, reading, error) {
	guess, look := make(chan reading, 1), make(chan struct{})
	asking, giveUp := context.WithCancel(ctx)
	defer giveUp()
	go func() {
		var r reading
		if failed := guarded(func() { r = n.read(asking, n.places()[0], look) }); failed != nil {
			r = reading{err: asError(failed)}
		}
		guess <- r
	}()
	h, err := host.Discover(ctx, conn, w)
	if err != nil {
		giveUp()
	} else {
		close(look)
	}
	r := <-guess
	if err == nil && !h.Running && r.server != nil && n.belongs(ctx, r.server, h) {
		h, err = host.Discover(ctx, conn, w) // it was just started: look again
	}
	return h, r, err
}

// looked is of a server whose machine was looked at, or has none to look at.
func looked() <-chan struct{} {
	done := make(chan struct{})
	close(done)
	return done
}

// read reads the server at that place when its machine was looked at, in a session of its own: one that has been
// open for a while says when it itself took notice of the last reload, and one that
// writes has settings of its own.
func (n *Node) read(ctx context.Context, at place, look <-chan struct{}) reading {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	logical := make(chan map[string]*facts.Logical, 1)
	go func() { logical <- n.readLogical(ctx, at) }()
	r := n.readServer(ctx, at, look)
	if r.err != nil || r.server.InRecovery {
		return r
	}
	if r.server.Logical = <-logical; len(r.server.Logical) == 0 {
		r.server.Logical = map[string]*facts.Logical{}
	}
	n.readLetGo(ctx, at, r.server)
	return r
}

// readServer reads what is the whole server's.
func (n *Node) readServer(ctx context.Context, at place, look <-chan struct{}) reading {
	r := n.readIn(ctx, at, postgres.Target{Database: maintenance, Reading: true}, look)
	if postgres.CutShort(r.err) && ctx.Err() == nil { // by a limit that the site has for its clients
		r = n.readIn(ctx, at, postgres.Target{Database: maintenance, Reading: true, Unlimited: true}, look)
	}
	return r
}

func (n *Node) readIn(ctx context.Context, at place, t postgres.Target, look <-chan struct{}) reading {
	r := reading{at: at}
	r.err = repeated(ctx, func() error {
		db, err := n.connect(ctx, at, t)
		if err != nil {
			return err
		}
		defer db.Close() // the server drops what is left of it
		select {
		case <-look:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		r.server, err = postgres.Read(ctx, db)
		return err
	})
	return r
}

// judge puts the server into the facts if it is that of the machine's data
// directory, and looks for it where the machine says it listens if it is not.
func (n *Node) judge(ctx context.Context, found *facts.Node, r reading) {
	h := found.Host
	switch {
	case !h.Running:
		n.forget(h)
		found.ServerError = n.strayed(ctx, r, h)
		return
	case r.server == nil || !n.belongs(ctx, r.server, h):
		r = n.readAgain(ctx, r, h)
	}
	if r.err != nil {
		n.forget(h)
		if h.Making() {
			h.Running = false // what runs is initdb's own: it answers nobody
			return
		}
		found.ServerError = n.listensElsewhere(readError(r.err), h)
		return
	}
	found.Server = r.server
	n.settle(r.at, h)
}

// listensElsewhere adds to why a server cannot be asked through the sql block that it
// listens on another port: without a session there, no plan can change that.
func (n *Node) listensElsewhere(e *facts.ReadError, h *facts.Host) *facts.ReadError {
	sql := n.topology.SQL
	if e == nil || sql == nil || sql.Service != "" || h.Port == 0 || sql.Port == h.Port {
		return e
	}
	told := *e
	told.Hint = strings.TrimSpace(fmt.Sprintf("%s\n"+
		"The server listens on port %d, and the topology connects to port %d. Write port = %d in the node block. Or "+
		"change port in postgresql.conf and restart the server by hand; or remove the sql block, so that a plan can "+
		"change the port.",
		e.Hint, h.Port, sql.Port, h.Port))
	return &told
}

// forget keeps the machine and no place of its server.
func (n *Node) forget(h *facts.Host) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.host, n.found = h, nil
}

// strayed reports a server of these files that answers although the machine says
// that none runs: it runs elsewhere, or unseen. That the node is down would be the
// wrong conclusion.
func (n *Node) strayed(ctx context.Context, r reading, h *facts.Host) *facts.ReadError {
	if r.server == nil || !n.belongs(ctx, r.server, h) {
		return nil
	}
	e := &facts.ReadError{Kind: facts.BadData, Text: "a server of this cluster answers, and none is seen to run on " + h.Hostname}
	if n.topology.SQL != nil {
		e.Hint = "Set sql { host = … } to the server of this node."
	}
	return e
}

// readAgain reads the server where the machine says that it listens.
func (n *Node) readAgain(ctx context.Context, r reading, h *facts.Host) reading {
	if r.err == nil {
		r = reading{at: r.at, err: otherServer(r.server.Settings["data_directory"].Value, h)}
	}
	if n.topology.SQL != nil {
		return r
	}
	at, err := n.listens(ctx, h.DataDir)
	if err != nil || at == r.at {
		return r
	}
	second := n.read(ctx, at, looked())
	if second.err == nil && !n.belongs(ctx, second.server, h) {
		second = reading{err: otherServer(second.server.Settings["data_directory"].Value, h)}
	}
	return second
}

// belongs reports whether the server that answered is the one whose files were found.
// Servers of one cluster on one machine have the same system identifier, so that
// the directory decides. What an sql block reaches may see its files under other
// names.
func (n *Node) belongs(ctx context.Context, s *facts.Server, h *facts.Host) bool {
	if h.Control != nil && h.Control.SystemIdentifier != s.SystemIdentifier {
		return false
	}
	return n.topology.SQL != nil || n.sameDir(ctx, s.Settings["data_directory"].Value, h.DataDir)
}

// readError says why something could not be read. What happened on the way to the
// machine says more than that the server could not be reached.
func readError(err error) *facts.ReadError {
	var machine *host.Error
	var panicked *panicError
	if errors.As(err, &panicked) {
		return panicked.is
	}
	if e := postgres.ReadError(err); e != nil && !errors.As(err, &machine) {
		return e
	}
	return host.ReadError(err)
}
