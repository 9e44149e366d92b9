package topology

import (
	"fmt"
	"sort"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// The versions of PostgreSQL that the program knows.
const (
	oldestVersion = 13
	newestVersion = 18
)

// decodeClusters answers the value of cluster.NAME.
func (e *evaluator) decodeClusters(decl *declaration) cty.Value {
	keys, ok := e.forEach(decl, clusterSchema())
	if !ok {
		return cty.DynamicVal
	}
	if keys == nil {
		return clusterValue(e.decodeCluster(decl, decl.name, nil))
	}
	instances := map[string]cty.Value{}
	for _, k := range keys {
		if why := memberName(k.key); why != "" {
			e.add(problem(decl.at, "Invalid name", "A key of for_each of %s: %s", decl.address, why))
		}
		name := fmt.Sprintf("%s[%q]", decl.name, k.key)
		instances[k.key] = clusterValue(e.decodeCluster(decl, name, k.scope()))
	}
	return cty.ObjectVal(instances)
}

func clusterValue(c *Cluster) cty.Value {
	primary := cty.DynamicVal
	if c.Primary != nil {
		primary = nodeValue(c.Primary)
	}
	return cty.ObjectVal(map[string]cty.Value{
		"id": cty.StringVal(c.ID), "name": cty.StringVal(c.Name), "primary": primary,
	})
}

func (e *evaluator) decodeCluster(decl *declaration, name string, scope map[string]cty.Value) *Cluster {
	id := "cluster." + name
	before := e.unknowns
	b := e.read(decl.block, decl.block.Body, clusterSchema(), id, scope)
	c := &Cluster{Name: name, ID: id, Slots: true, Range: decl.at}
	b.about(c)
	if why := memberName(decl.name); why != "" {
		e.add(problem(decl.at, "Invalid name", "Cluster %s: %s", decl.name, why))
	}
	b.number("version", &c.Version, oldestVersion, newestVersion)
	b.flag("slots", &c.Slots)
	c.Primary = b.node("primary")
	c.Parameters = b.parameters("parameters", true)
	b.standbys(c)
	b.roles(c)
	b.databases(c)
	b.slots(c)
	for _, inner := range b.blocks("hba") {
		c.HBA = append(c.HBA, inner.hba()...)
	}
	b.sections(c)
	for _, inner := range b.blocks("patroni") {
		e.add(unsupported(inner.at, "The word \"patroni\" is reserved. %s", reservedWords()["patroni"]))
	}
	e.doubtful[c] = e.unknowns > before || c.Primary == nil
	e.top.Clusters = append(e.top.Clusters, c)
	return c
}

// sections reads the blocks that stand once in a cluster.
func (b *block) sections(c *Cluster) {
	b.replication(c)
	b.synchronous(c)
	c.BaseBackup = b.baseBackup()
	c.InitDB = b.initDB()
	c.Thresholds = b.thresholds()
	c.Lifecycle = b.lifecycle([]string{
		"version", "primary", "standbys", "parameters", "replication",
		"synchronous", "hba", "role", "database", "slot",
	})
}

// standbys reads the list and then the blocks.
func (b *block) standbys(c *Cluster) {
	nodes, ranges := b.nodes("standbys")
	for i, n := range nodes {
		s := &Standby{Node: n, Upstream: c.Primary, Parameters: Parameters{}, Range: ranges[i]}
		if c.Slots {
			s.Slot = n.SlotName()
		}
		c.Standbys = append(c.Standbys, s)
	}
	for _, inner := range b.blocks("standby") {
		if s := inner.standby(c); s.Node != nil {
			c.Standbys = append(c.Standbys, s)
		}
	}
}

func (b *block) standby(c *Cluster) *Standby {
	s := &Standby{Upstream: c.Primary, Range: b.at}
	b.about(s)
	s.Node = b.node("node")
	if b.has("upstream") {
		s.Upstream = b.node("upstream")
	}
	b.duration("apply_delay", &s.ApplyDelay)
	s.Parameters = b.parameters("parameters", true)
	if s.Node != nil {
		s.Slot = b.standbySlot(s.Node, c.Slots)
	}
	return s
}

// standbySlot reads slot, which is a name, or true or false.
func (b *block) standbySlot(n *Node, wanted bool) string {
	name := ""
	if v, ok := b.value("slot"); ok {
		switch v.Type() {
		case cty.Bool:
			wanted = v.True()
		case cty.String:
			b.text("slot", &name, slotName)
			return name
		default:
			b.wrongType("slot", "a name, true or false", v.Type())
		}
	}
	if wanted {
		name = n.SlotName()
	}
	return name
}

// node reads a reference to a node; nil when there is none to go on with.
func (b *block) node(name string) *Node {
	v, ok := b.evaluate(name)
	if !ok {
		return nil
	}
	n, why := b.e.nodeOf(v)
	if why != "" {
		b.e.unknowns++
		b.e.add(problem(b.rangeOf(name), "Not a node", "%s must refer to a node: %s", name, why))
	}
	return n
}

// nodes reads a list of nodes and where each stands.
func (b *block) nodes(name string) ([]*Node, []hcl.Range) {
	v, ok := b.evaluate(name)
	if !ok {
		return nil, nil
	}
	v, _ = v.Unmark()
	typ := v.Type()
	if !v.IsKnown() || v.IsNull() {
		return nil, nil
	}
	if !typ.IsTupleType() && !typ.IsListType() && !typ.IsSetType() {
		hint := "write it in brackets: [node.pg2]."
		if typ.IsMapType() {
			hint = "write values(…) around a map."
		}
		b.e.unknowns++
		b.e.add(problem(b.rangeOf(name), "Not a list of nodes", "%s must be a list of nodes: %s", name, hint))
		return nil, nil
	}
	var nodes []*Node
	var ranges []hcl.Range
	for i, element := range v.AsValueSlice() {
		at := b.elementRange(name, i, v.LengthInt())
		n, why := b.e.nodeOf(element)
		if why != "" {
			b.e.unknowns++
			b.e.add(problem(at, "Not a node", "Each element of %s must refer to a node: %s", name, why))
		}
		if n != nil {
			nodes, ranges = append(nodes, n), append(ranges, at)
		}
	}
	return nodes, ranges
}

// elementRange answers where the element stands when the list is written out.
func (b *block) elementRange(name string, i, length int) hcl.Range {
	exprs, diags := hcl.ExprList(b.content.Attributes[name].Expr)
	if diags.HasErrors() || len(exprs) != length {
		return b.rangeOf(name)
	}
	return exprs[i].Range()
}

// nodeOf answers the node that a value is, or why it is none. Neither: its
// error is reported already.
func (e *evaluator) nodeOf(v cty.Value) (*Node, string) {
	v, _ = v.UnmarkDeep()
	if !v.IsKnown() {
		return nil, ""
	}
	switch {
	case v.IsNull():
		return nil, "this is null."
	case v.Type().Equals(nodeType()):
		return e.nodes[v.GetAttr("id").AsString()], ""
	case v.Type() == cty.String:
		return nil, e.quotedNode(v.AsString())
	case v.Type().IsMapType() && v.Type().ElementType().Equals(nodeType()):
		return nil, "this one has for_each. Say which node is meant, as in node.pg[\"pg1\"]."
	default:
		return nil, "this is " + withArticle(v.Type().FriendlyName()) + "."
	}
}

func (e *evaluator) quotedNode(name string) string {
	for _, n := range e.top.Nodes {
		if n.Name == name {
			return fmt.Sprintf("write %s without quotes around it.", n.ID)
		}
	}
	return "this is a string. Write node.NAME without quotes."
}

// lifecycle reads the block of that name. Names that can be ignored are those
// of the object's attributes.
func (b *block) lifecycle(attributes []string) Lifecycle {
	inner := b.block("lifecycle")
	if inner == nil {
		return Lifecycle{}
	}
	l := Lifecycle{Range: inner.at}
	inner.flag("prevent_destroy", &l.PreventDestroy)
	l.IgnoreChanges = inner.texts("ignore_changes", oneOf(append(attributes, "all")...))
	sort.Strings(l.IgnoreChanges)
	return l
}
