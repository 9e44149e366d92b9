package topology

import (
	"fmt"
	"sort"

	"github.com/zclconf/go-cty/cty"
)

// The versions of PostgreSQL that the program knows.
const (
	oldestVersion = 13
	newestVersion = 18
)

// decodeClusters returns the value of cluster.NAME.
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
			e.add(problem(decl.at, "Invalid name", "Key of for_each in %s: %s", decl.address, why))
		}
		name := fmt.Sprintf("%s[%q]", decl.name, k.key)
		instances[k.key] = clusterValue(e.decodeCluster(decl, name, k.scope()))
	}
	if len(instances) == 0 {
		return cty.MapValEmpty(clusterType())
	}
	return cty.MapVal(instances)
}

func clusterValue(c *Cluster) cty.Value {
	if c == nil {
		return cty.UnknownVal(clusterType())
	}
	primary := cty.UnknownVal(nodeType())
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
	c.Roles = labeledBlocks(b, "role", roleName, (*block).role)
	c.Databases = labeledBlocks(b, "database", objectName, (*block).database)
	c.PermanentSlots = labeledBlocks(b, "slot", slotName, (*block).slot)
	for _, inner := range b.blocks("hba") {
		c.HBA = append(c.HBA, inner.hba()...)
	}
	b.sections(c)
	e.doubtful[c] = e.unknowns > before || c.Primary == nil
	e.top.Clusters = append(e.top.Clusters, c)
	e.clusters[id] = c
	return c
}

// sections reads the blocks that stand once in a cluster.
func (b *block) sections(c *Cluster) {
	b.replication(c)
	b.synchronous(c)
	c.BaseBackup = b.baseBackup()
	c.InitDB = b.initDB()
	c.Thresholds = b.thresholds()
	c.Lifecycle = b.lifecycle([]string{"role", "database", "slot"}) // what else it has, it need not name
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
			b.wrongType("slot", "a name, true, or false", v.Type())
		}
	}
	if wanted {
		name = n.SlotName()
	}
	return name
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
