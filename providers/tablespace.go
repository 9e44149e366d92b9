package providers

import (
	"context"
	"path"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/providers/host"
	"github.com/repltool/repltool/topology"
)

// A tablespace that no mapping names is copied to the directory that it has on the
// upstream, and a copied file may name libraries. Which they are, only the upstream tells:
// the machine of a standby that is to be cloned is looked at once more then, and of no
// other.

// lookAgain looks at such machines with those directories and libraries.
func (f *Fleet) lookAgain(ctx context.Context, o InspectOptions, all facts.Facts) {
	var group errgroup.Group
	group.SetLimit(o.Parallelism)
	for _, c := range f.topology.Clusters {
		for _, sb := range c.Standbys {
			found := all.Nodes[sb.Node.Name]
			dirs := unmapped(c, sb, all)
			libraries := carriedLibraries(c, sb, all)
			if len(dirs) == 0 && libraries == "" || found.Host == nil || found.Server != nil || found.ServerError != nil || found.Host.Running {
				continue
			}
			if found.Host.Data.State == facts.DataCluster && len(found.Host.Jobs) == 0 {
				continue // no copy is to be made
			}
			group.Go(func() error {
				if failed := guarded(func() { f.nodes[sb.Node.Name].lookAt(ctx, f.topology, c, dirs, libraries, o, found) }); failed != nil {
					found.Host, found.Error = nil, failed
				}
				return nil
			})
		}
	}
	_ = group.Wait() // no reading returns an error: it is in the facts
}

// unmapped returns the directories that a copy of the standby's upstream fills beside
// those of the topology. An upstream that is to be copied itself has the primary's.
func unmapped(c *topology.Cluster, sb *topology.Standby, all facts.Facts) []string {
	var dirs []string
	for _, n := range []*topology.Node{sb.Upstream, c.Primary} {
		found := all.Nodes[n.Name]
		if found == nil || found.Server == nil {
			continue
		}
		for _, t := range found.Server.Tablespaces {
			if _, mapped := c.BaseBackup.TablespaceMapping[t.Location]; !mapped {
				dirs = append(dirs, t.Location)
			}
		}
		break
	}
	return dirs
}

// carriedLibraries returns the libraries that a server which the standby is copied from
// preloads by a file in its data directory: the copy does so too.
func carriedLibraries(c *topology.Cluster, sb *topology.Standby, all facts.Facts) string {
	const name = "shared_preload_libraries"
	if _, given := c.ParametersOf(sb.Node)[name]; given {
		return ""
	}
	for _, n := range []*topology.Node{sb.Upstream, c.Primary} {
		found := all.Nodes[n.Name]
		if found == nil || found.Server == nil || found.Host == nil {
			continue
		}
		if s := found.Server.Settings[name]; path.Dir(s.SourceFile) == found.Host.DataDir {
			return s.Value
		}
		return ""
	}
	return ""
}

func (n *Node) lookAt(ctx context.Context, t *topology.Topology, c *topology.Cluster, dirs []string, libraries string, o InspectOptions, found *facts.Node) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	w := want(t, n.topology, c)
	w.Dirs = slices.Compact(slices.Sorted(slices.Values(append(w.Dirs, dirs...))))
	w.Libraries = libraries
	conn, err := n.Conn(ctx)
	if err == nil {
		var h *facts.Host
		if h, err = host.Discover(ctx, conn, w); err == nil {
			if !h.Running { // else someone has just started it
				found.Host = h
			}
			return
		}
	}
	found.Host, found.Error = nil, readError(err)
}
