package importer

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/topology"
)

// memberName is what a node or a cluster may be called (topology, memberName).
var memberName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$`)

// name gives the nodes of a cluster their names. A standby's is the one under which its upstream
// knows it, so that a synchronous set may go on naming it.
func (d *decider) name(g *group) {
	seen := map[string]int{}
	for _, m := range g.members[1:] {
		seen[strings.ToLower(m.seenAs())]++
	}
	for _, m := range g.members[1:] {
		if name := m.seenAs(); seen[strings.ToLower(name)] == 1 && name != "walreceiver" && d.free(name) {
			d.take(m, name)
		}
	}
	for _, m := range g.members {
		if m.node != nil {
			continue
		}
		name := m.ledgerName()
		if !d.free(name) {
			name = m.hostName()
		}
		if instance := m.Facts.Host.Instance; !d.free(name) && instance != "" && d.free(name+"-"+instance) {
			name += "-" + instance
		}
		d.take(m, d.unique(name))
	}
}

func (d *decider) free(name string) bool {
	return memberName.MatchString(name) && !d.names[strings.ToLower(name)]
}

func (d *decider) take(m *member, name string) {
	d.names[strings.ToLower(name)] = true
	m.node = &topology.Node{Name: name, Host: m.Host, SSH: m.SSH, Port: m.Port, Access: topology.AccessSSH, OSUser: "postgres"}
	d.d.Nodes[name] = m.Seen
}

// unique numbers a name that is taken.
func (d *decider) unique(name string) string {
	for i := 2; ; i++ {
		if d.free(name) {
			return name
		}
		name = fmt.Sprintf("%s-%d", strings.TrimSuffix(name, fmt.Sprintf("-%d", i-1)), i)
	}
}

// ledgerName is the name that a primary has in repltool's ledger, by a slot that repltool created
// there; "" where it has none.
func (m *member) ledgerName() string {
	if m.upstream != nil {
		return ""
	}
	for _, row := range managed(m.server()) {
		object, is := strings.CutPrefix(row.Object, "slot ")
		slot, name, on := strings.Cut(object, " on ")
		if is && on && m.server().Slot(slot) != nil {
			return name
		}
	}
	return ""
}

// hostName is the first part of the host's name: of how the user calls it, else of how it
// calls itself.
func (m *member) hostName() string {
	for _, name := range []string{m.Host, m.Facts.Host.Hostname} {
		_, isAddress := netip.ParseAddr(name)
		if first, _, _ := strings.Cut(name, "."); isAddress != nil && memberName.MatchString(first) {
			return first
		}
	}
	return "pg"
}

// clusterName is the name of the block that repltool has in the primary's files, else the one
// that all members have as cluster_name, else that of Debian's cluster.
func (d *decider) clusterName(g *group, of int) string {
	primary := g.primary()
	name := "main"
	if blocks := conftext.BlockNames(primary.Facts.Host.Conf.Text); len(blocks) == 1 {
		return blocks[0]
	}
	switch instance := primary.Facts.Host.Instance; {
	case d.o.Name != "" && of == 1:
		return d.o.Name
	case g.sharedClusterName() != "":
		name = g.sharedClusterName()
	case label.MatchString(instance):
		name = instance
	}
	for i := 2; ; i++ {
		if !d.isCluster(name) {
			return name
		}
		name = fmt.Sprintf("%s-%d", strings.TrimSuffix(name, fmt.Sprintf("-%d", i-1)), i)
	}
}

func (d *decider) isCluster(name string) bool {
	for _, c := range d.doc.Topology.Clusters {
		if strings.EqualFold(c.Name, name) {
			return true
		}
	}
	return false
}

// label is whether a name may be written as a block's label.
var label = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)

// sharedClusterName is cluster_name where all members have the same; "" where it names a node
// or is Debian's.
func (g *group) sharedClusterName() string {
	name := g.primary().server().InForce("cluster_name")
	for _, m := range g.members {
		if m.server().InForce("cluster_name") != name || m.node != nil && m.node.Name == name {
			return ""
		}
	}
	if !label.MatchString(name) {
		return ""
	}
	return name
}
