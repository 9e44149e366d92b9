package write

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/repltool/repltool/topology"
)

// Nodes that differ in where they are alone are one block with for_each, from this number on. A
// name that is no identifier can be nothing but such a key.
const worthFolding = 3

// nodes writes all nodes, alike ones together where the first of them stands.
func (p *printer) nodes(t *topology.Topology) {
	labels := map[string]bool{}
	for _, n := range t.Nodes {
		if hclsyntax.ValidIdentifier(n.Name) {
			labels[n.Name] = true
		}
	}
	written := map[*topology.Node]bool{}
	for _, n := range t.Nodes {
		if written[n] {
			continue
		}
		group := p.alike(t.Nodes, n)
		for _, m := range group {
			written[m] = true
		}
		if len(group) == 1 && hclsyntax.ValidIdentifier(n.Name) {
			p.refs[n] = "node." + n.Name
			p.node(n)
			continue
		}
		label := groupLabel(group, labels)
		labels[label] = true
		for _, m := range group {
			p.refs[m] = fmt.Sprintf("node.%s[%s]", label, quote(m.Name))
		}
		p.folded(label, group)
	}
}

// alike returns the nodes to be written in one block with n: itself where there are too few.
func (p *printer) alike(all []*topology.Node, n *topology.Node) []*topology.Node {
	var same, odd []*topology.Node
	for _, m := range all {
		if p.shape(m) != p.shape(n) {
			continue
		}
		same = append(same, m)
		if !hclsyntax.ValidIdentifier(m.Name) {
			odd = append(odd, m)
		}
	}
	switch {
	case len(same) >= worthFolding:
		return same
	case hclsyntax.ValidIdentifier(n.Name):
		return []*topology.Node{n}
	default:
		return odd
	}
}

// shape is all of a node that a block has once. A node with comments is like no other.
func (p *printer) shape(n *topology.Node) string {
	own := ""
	for place := range p.document.Comments {
		if place.Of == n {
			own = n.Name
		}
	}
	for _, name := range n.Parameters.Names() {
		own += "\n" + name + "=" + literal(n.Parameters[name])
	}
	return strings.Join([]string{string(n.Access), n.DataDir, n.ConfigDir, n.BinDir, n.SocketDir, n.Service, n.OSUser, fmt.Sprint(n.SSH), own}, "\n")
}

// groupLabel is what the names begin with, in letters; "db" where that says nothing.
func groupLabel(group []*topology.Node, taken map[string]bool) string {
	prefix := group[0].Name
	for _, n := range group {
		for !strings.HasPrefix(n.Name, prefix) {
			prefix = prefix[:len(prefix)-1]
		}
	}
	prefix = strings.TrimRight(prefix, "0123456789-_.")
	if !hclsyntax.ValidIdentifier(prefix) {
		prefix = "db"
	}
	label := prefix
	for i := 2; taken[label]; i++ {
		label = fmt.Sprintf("%s%d", prefix, i)
	}
	return label
}

// node writes one node.
func (p *printer) node(n *topology.Node) {
	p.opens(n, "node", n.Name)
	p.attribute("host", quote(n.Host))
	p.about(n, "address")
	p.text("address", n.Address, n.Host)
	if n.Port != 5432 {
		p.attribute("port", strconv.Itoa(n.Port))
	}
	p.restOfNode(n)
	p.close()
}

// restOfNode is what alike nodes share.
func (p *printer) restOfNode(n *topology.Node) {
	p.text("access", string(n.Access), string(topology.AccessSSH))
	for _, a := range []struct{ name, value string }{
		{"data_dir", n.DataDir},
		{"config_dir", n.ConfigDir},
		{"bin_dir", n.BinDir},
		{"socket_dir", n.SocketDir},
		{"service", n.Service},
	} {
		p.about(n, a.name)
		p.text(a.name, a.value, "")
	}
	if n.OSUser != "postgres" {
		p.text("os_user", n.OSUser, "")
	}
	p.parameters(n, n.Parameters)
	if n.SSH.User != "" || n.SSH.Port != 0 {
		p.begin("ssh")
		p.text("user", n.SSH.User, "")
		if n.SSH.Port != 0 {
			p.attribute("port", strconv.Itoa(n.SSH.Port))
		}
		p.close()
	}
}

// folded writes alike nodes as one block: a map of hosts where nothing but these differ.
func (p *printer) folded(label string, group []*topology.Node) {
	differs := func(of func(*topology.Node) string) bool {
		return slices.ContainsFunc(group, func(n *topology.Node) bool { return of(n) != of(group[0]) })
	}
	addresses := slices.ContainsFunc(group, func(n *topology.Node) bool { return n.Address != n.Host })
	ports := differs(func(n *topology.Node) string { return strconv.Itoa(n.Port) })
	p.opens(group[0], "node", label)
	p.line("for_each = {")
	p.depth++
	for _, n := range group {
		p.line(key(n.Name) + " = " + place(n, addresses, ports))
	}
	p.close()
	if !addresses && !ports {
		p.attribute("host", "each.value")
	} else {
		p.attribute("host", "each.value.host")
	}
	if addresses {
		p.attribute("address", "each.value.address")
	}
	switch {
	case ports:
		p.attribute("port", "each.value.port")
	case group[0].Port != 5432:
		p.attribute("port", strconv.Itoa(group[0].Port))
	}
	p.restOfNode(group[0])
	p.close()
}

// place is the value of a node's key.
func place(n *topology.Node, addresses, ports bool) string {
	if !addresses && !ports {
		return quote(n.Host)
	}
	fields := []string{"host = " + quote(n.Host)}
	if addresses {
		fields = append(fields, "address = "+quote(n.Address))
	}
	if ports {
		fields = append(fields, "port = "+strconv.Itoa(n.Port))
	}
	return "{ " + strings.Join(fields, ", ") + " }"
}
