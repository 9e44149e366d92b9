package plan

import (
	"fmt"

	"github.com/repltool/repltool/providers/facts"
	"github.com/repltool/repltool/topology"
)

// The place where a cluster is made or copied to.

// checkEmpty looks at the place where a data directory is to be made.
func (s *scope) checkEmpty(n *topology.Node, f *facts.Node, out *findings) {
	if f.Host.PortOwner != "" {
		out.fail(n.Range, "Port is taken", "%s: port %d is used by %s. Stop that, or set another port on the node.", n.Name, n.Port, f.Host.PortOwner)
	}
	socket := fmt.Sprintf("%s/.s.PGSQL.%d", f.Host.SocketDir, n.Port)
	if len(socket) > 107 {
		out.fail(n.Range, "Socket path is too long", "%s: %s has %d bytes, and a Unix socket's path has at most 107. Set a shorter socket_dir.", n.Name, socket, len(socket))
	}
}

// checkDisk compares what a clone needs with what is free; a tenth on top is for
// WAL that comes while it copies.
func (s *scope) checkDisk(sb *topology.Standby, f *facts.Node, out *findings) {
	need := s.cloneBytes(sb)
	need += need / 10
	if len(f.Host.Disks) == 0 || len(f.Host.Jobs) > 0 {
		return
	}
	if d := f.Host.Disks[0]; d.Free < need {
		out.fail(s.rangeOf(sb.Node), "Disk is too small",
			"%s: %s on %s has %s free, and the clone of %s needs %s.", sb.Node.Name, f.Host.DataDir, d.Mount, bytesText(d.Free), sb.Upstream.Name, bytesText(need))
	}
}
