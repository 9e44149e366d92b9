package providers

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/providers/host"
	"github.com/repltool/repltool/providers/postgres"
)

// place is where a server listens.
type place struct {
	dir  string
	port int
}

// defaultSocketDir is where the builds of Debian and of PostgreSQL's own packages
// put the socket.
const defaultSocketDir = "/var/run/postgresql"

// expected is where the node's server is to be expected, by what the topology and
// the machine say.
func (n *Node) expected() place {
	p := place{dir: n.topology.SocketDir, port: n.topology.Port}
	if h := n.Host(); p.dir == "" && h != nil {
		p.dir = h.SocketDir
	}
	if p.dir == "" {
		p.dir = defaultSocketDir
	}
	return p
}

// places are where to look for the server: where it last answered, and where it is
// to be expected after a change of its port or socket directory.
func (n *Node) places() []place {
	all := []place{n.expected()}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.found != nil && *n.found != all[0] {
		all = slices.Insert(all, 0, *n.found)
	}
	return all
}

func (n *Node) settle(p place, h *facts.Host) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.found, n.host = &p, h
}

// connectVerified opens a session in the node's own server: what answers at a place
// may be another one as long as the node's is down.
func (n *Node) connectVerified(ctx context.Context, database, application string) (*postgres.DB, error) {
	t := postgres.Target{Database: database, Application: application}
	if n.topology.SQL != nil {
		return n.connect(ctx, place{}, t)
	}
	var errs []error
	places := n.places()
	for _, p := range places {
		db, err := n.connectTo(ctx, p, t)
		if err == nil {
			return db, nil
		}
		errs = append(errs, err)
	}
	if db := n.connectMoved(ctx, places, t); db != nil {
		return db, nil
	}
	// Of two reasons the one is told that waiting may fix.
	if len(errs) > 1 && transient(errs[1]) && !transient(errs[0]) {
		return nil, errs[1]
	}
	return nil, errs[0]
}

// connectTo opens a session at that place, if the node's own server is there.
func (n *Node) connectTo(ctx context.Context, p place, t postgres.Target) (*postgres.DB, error) {
	db, err := n.connect(ctx, p, t)
	if err != nil {
		return nil, err
	}
	return db, n.verify(ctx, db)
}

// connectMoved opens a session where the server says that it listens, if that is
// elsewhere: its port is neither that of the topology nor where it answered last. It is
// nil where there is none.
func (n *Node) connectMoved(ctx context.Context, tried []place, t postgres.Target) *postgres.DB {
	h := n.Host()
	if h == nil || h.DataDir == "" || ctx.Err() != nil {
		return nil
	}
	at, err := n.listens(ctx, h.DataDir)
	if err != nil || slices.Contains(tried, at) {
		return nil
	}
	db, err := n.connectTo(ctx, at, t)
	if err != nil {
		return nil // why the places that were to be expected do not answer says more
	}
	return db
}

// connect opens a session at that place, or as the node's sql block says.
func (n *Node) connect(ctx context.Context, p place, t postgres.Target) (*postgres.DB, error) {
	if n.topology.SQL != nil {
		return postgres.ConnectTCP(ctx, n.topology.SQL, t)
	}
	conn, err := n.Conn(ctx)
	if err != nil {
		return nil, err
	}
	t.SocketDir, t.Port, t.User = p.dir, p.port, conn.OSUser()
	return postgres.Connect(ctx, conn.Dial, t)
}

// verify closes a session that is not in the node's own server.
func (n *Node) verify(ctx context.Context, db *postgres.DB) error {
	h := n.Host()
	if h == nil || h.DataDir == "" {
		return nil
	}
	rows, err := db.Query(ctx, "SELECT current_setting('data_directory')")
	if err == nil && (len(rows) != 1 || !n.sameDir(ctx, rows[0][0], h.DataDir)) {
		err = otherServer(fmt.Sprint(rows), h)
	}
	if err != nil {
		_ = db.Close() // it is not ours, or it is dead
	}
	return err
}

func otherServer(dir string, h *facts.Host) error {
	return &postgres.Error{
		Kind: facts.BadData, Op: "connect",
		Err:  fmt.Errorf("the server that answers uses the data directory %s, and the data directory of the node is %s", strings.Trim(dir, "[]"), h.DataDir),
		Hint: "Set port, socket_dir or data_dir in the node block, so that they refer to the same server.",
	}
}

// sameDir reports whether two paths are one directory. Only where they are spelled
// otherwise is the machine asked.
func (n *Node) sameDir(ctx context.Context, a, b string) bool {
	if path.Clean(a) == path.Clean(b) {
		return true
	}
	conn, err := n.Conn(ctx)
	if err != nil {
		return false
	}
	out, err := conn.Run(ctx, host.Command{Argv: []string{"stat", "-L", "-c", "%d:%i", "--", a, b}})
	ids := strings.Fields(string(out))
	return err == nil && len(ids) == 2 && ids[0] == ids[1]
}

// listens reads where the server of that data directory says that it listens
// (miscadmin.h, "postmaster.pid").
func (n *Node) listens(ctx context.Context, dataDir string) (place, error) {
	conn, err := n.Conn(ctx)
	if err != nil {
		return place{}, err
	}
	text, err := conn.ReadFile(ctx, path.Join(dataDir, "postmaster.pid"))
	if err != nil {
		return place{}, err
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) < 5 {
		return place{}, errors.New("postmaster.pid is incomplete")
	}
	port, err := strconv.Atoi(lines[3])
	if err != nil || !path.IsAbs(lines[4]) {
		return place{}, errors.New("postmaster.pid names no Unix socket: set unix_socket_directories")
	}
	return place{dir: lines[4], port: port}, nil
}
