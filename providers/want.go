package providers

import (
	"cmp"
	"slices"
	"strings"

	"github.com/repltool/repltool/providers/host"
	"github.com/repltool/repltool/topology"
)

// want is what the topology says of a node and asks about its machine.
func want(top *topology.Topology, t *topology.Node, c *topology.Cluster) host.Want {
	w := host.Want{
		NodeName: t.Name, ClusterName: c.Name, EarlierNames: c.Earlier, Instance: c.Name, Port: t.Port, Version: c.Version,
		DataDir: t.DataDir, ConfigDir: t.ConfigDir, BinDir: t.BinDir, SocketDir: t.SocketDir, Service: t.Service,
		Parameters: map[string]string{}, Locale: c.InitDB.Locale, Encoding: c.InitDB.Encoding,
	}
	for _, n := range top.Nodes {
		if n == t || n.Access != t.Access || n.Access != topology.AccessLocal && !sameName(n.Host, t.Host) && !sameName(n.Address, t.Address) {
			continue
		}
		if other := top.Cluster(n); other != nil {
			w.Others = append(w.Others, host.Other{Sibling: other == c, Port: n.Port, DataDir: n.DataDir})
		}
	}
	if taken(top, t, c) {
		w.Instance, w.Taken = t.SlotName(), true
	}
	for _, m := range peers(top, t, c) {
		if !slices.Contains(w.Resolve, m.Address) {
			w.Resolve = append(w.Resolve, m.Address)
		}
	}
	w.Routes = routes(top, t, c)
	for _, a := range w.Routes {
		if !slices.Contains(w.Resolve, a) {
			w.Resolve = append(w.Resolve, a)
		}
	}
	for name, p := range c.ParametersOf(t) {
		if !p.Secret.IsSet() { // it would be seen in the list of processes
			w.Parameters[name] = p.Value
		}
	}
	if sb := c.Standby(t); sb != nil {
		w.Dirs = cloneDirs(c.BaseBackup)
		w.UpstreamHost, w.UpstreamPort = sb.Upstream.Address, sb.Upstream.Port
	}
	if t == c.Primary {
		w.Publishers = publishers(top, c)
	}
	return w
}

// publishers are where the subscriptions of a cluster connect.
func publishers(top *topology.Topology, c *topology.Cluster) []host.Address {
	var all []host.Address
	for _, sub := range top.Subscriptions {
		if sub.Cluster != c {
			continue
		}
		var a host.Address
		if p := sub.Publisher(); p != nil {
			a = host.Address{Host: p.Primary.Address, Port: p.Primary.Port}
		} else {
			a = host.Address{Host: sub.Connection.Host, Port: cmp.Or(sub.Connection.Port, 5432)}
		}
		if a.Host != "" && !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	return all
}

// peers are the nodes whose addresses the rules of t name: the other members of its
// cluster, and the members of its subscribers', which may be t itself.
func peers(top *topology.Topology, t *topology.Node, c *topology.Cluster) []*topology.Node {
	nodes := slices.DeleteFunc(c.Members(), func(m *topology.Node) bool { return m == t })
	for _, sub := range top.Subscriptions {
		if sub.Publisher() == c {
			nodes = append(nodes, sub.Cluster.Members()...)
		}
	}
	return nodes
}

// routes are the addresses to which t connects, or would as a standby of another member
// or as the primary: the members of its cluster and its publishers.
func routes(top *topology.Topology, t *topology.Node, c *topology.Cluster) []string {
	var all []string
	add := func(n *topology.Node) {
		if n != t && n.Address != "" && !slices.Contains(all, n.Address) {
			all = append(all, n.Address)
		}
	}
	for _, m := range c.Members() {
		add(m)
	}
	for _, sub := range top.Subscriptions {
		if p := sub.Publisher(); sub.Cluster == c && p != nil {
			for _, m := range p.Members() {
				add(m)
			}
		}
	}
	return all
}

// taken reports whether an earlier node has the usual place of a new instance: it is on
// the same machine and has the same version.
func taken(top *topology.Topology, t *topology.Node, c *topology.Cluster) bool {
	for _, n := range top.Nodes {
		if n == t {
			return false
		}
		if n.Host != t.Host || n.Access != t.Access || n.DataDir != "" {
			continue
		}
		if other := top.Cluster(n); other != nil && other.Version == c.Version {
			return true
		}
	}
	return false
}

func sameName(a, b string) bool { return a != "" && strings.EqualFold(a, b) }

// cloneDirs are the directories that a clone fills beside the data directory.
func cloneDirs(b topology.BaseBackup) []string {
	var dirs []string
	if b.WALDir != "" {
		dirs = append(dirs, b.WALDir)
	}
	for _, dir := range b.TablespaceMapping {
		dirs = append(dirs, dir)
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}
