package topology

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// objectType is what kind.NAME is in an expression. Its id leads back to the
// object; false for a kind that attributes do not refer to.
func objectType(kind string) (cty.Type, bool) {
	switch kind {
	case "node":
		return nodeType(), true
	case "cluster":
		return clusterType(), true
	case "publication", "subscription":
		return publicationType(), true
	}
	return cty.NilType, false
}

func nodeType() cty.Type {
	return cty.Object(map[string]cty.Type{
		"id": cty.String, "name": cty.String, "host": cty.String,
		"address": cty.String, "port": cty.Number, "location": cty.String,
	})
}

func clusterType() cty.Type {
	return cty.Object(map[string]cty.Type{"id": cty.String, "name": cty.String, "primary": nodeType()})
}

func publicationType() cty.Type {
	return cty.Object(map[string]cty.Type{
		"id": cty.String, "name": cty.String, "database": cty.String, "cluster": clusterType(),
	})
}

// orUnknown returns a text for an expression. One that is empty has its error
// reported already, so that what rests on it is passed over.
func orUnknown(text string) cty.Value {
	if text == "" {
		return cty.UnknownVal(cty.String)
	}
	return cty.StringVal(text)
}

// node reads a reference to a node; nil when there is none.
func (b *block) node(name string) *Node { return b.e.nodes[b.reference(name, "node")] }

// cluster does the same for a cluster.
func (b *block) cluster(name string) *Cluster { return b.e.clusters[b.reference(name, "cluster")] }

// nodes reads a list of nodes and where each stands.
func (b *block) nodes(name string) ([]*Node, []hcl.Range) {
	ids, ranges := b.references(name, "node")
	var nodes []*Node
	for _, id := range ids {
		nodes = append(nodes, b.e.nodes[id])
	}
	return nodes, ranges
}

// publications does the same for publications.
func (b *block) publications(name string) ([]*Publication, []hcl.Range) {
	ids, ranges := b.references(name, "publication")
	var list []*Publication
	for _, id := range ids {
		list = append(list, b.e.publications[id])
	}
	return list, ranges
}

// reference reads a reference to an object of that kind and returns its ID, or
// "" when there is none.
func (b *block) reference(name, kind string) string {
	v, ok := b.evaluate(name)
	if !ok {
		return ""
	}
	id, why := b.e.idOf(v, kind)
	if why != "" {
		b.e.unknowns++
		b.e.add(problem(b.rangeOf(name), "Reference to the wrong kind of object", "%s must refer to a %s: %s", name, kind, why))
	}
	return id
}

// references reads a list of references, and where each stands.
func (b *block) references(name, kind string) ([]string, []hcl.Range) {
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
		hint := fmt.Sprintf("write it in brackets: [%s.NAME].", kind)
		if typ.IsMapType() {
			hint = "write values(…) around the map."
		}
		b.e.unknowns++
		b.e.add(problem(b.rangeOf(name), "Incorrect value type", "%s must be a list of %ss: %s", name, kind, hint))
		return nil, nil
	}
	var ids []string
	var ranges []hcl.Range
	for i, element := range v.AsValueSlice() {
		at := b.elementRange(name, i, v.LengthInt())
		id, why := b.e.idOf(element, kind)
		if why != "" {
			b.e.unknowns++
			b.e.add(problem(at, "Reference to the wrong kind of object", "Each element of %s must refer to a %s: %s", name, kind, why))
		}
		if id != "" {
			ids, ranges = append(ids, id), append(ranges, at)
		}
	}
	return ids, ranges
}

// elementRange returns where the element stands when the list is written out.
func (b *block) elementRange(name string, i, length int) hcl.Range {
	return b.elementRanges(name, length)[i]
}

// elementRanges returns it for all elements.
func (b *block) elementRanges(name string, length int) []hcl.Range {
	ranges := make([]hcl.Range, length)
	exprs, diags := hcl.ExprList(b.content.Attributes[name].Expr)
	for i := range ranges {
		ranges[i] = b.rangeOf(name)
		if !diags.HasErrors() && len(exprs) == length {
			ranges[i] = exprs[i].Range()
		}
	}
	return ranges
}

// idOf returns the ID of the object that a value is, or why it is none.
// Neither: its error is reported already.
func (e *evaluator) idOf(v cty.Value, kind string) (id, why string) {
	v, _ = v.UnmarkDeep()
	if !v.IsKnown() {
		return "", ""
	}
	wanted, _ := objectType(kind)
	switch {
	case v.IsNull():
		return "", "this is null."
	case v.Type().Equals(wanted):
		return e.declaredID(v.GetAttr("id"), kind)
	case v.Type() == cty.String:
		return "", e.quoted(kind, v.AsString())
	case v.Type().IsMapType() && v.Type().ElementType().Equals(wanted):
		return "", fmt.Sprintf("this one has for_each. Specify which %s, for example %s.", kind, exampleOf(kind))
	}
	for _, other := range []string{"node", "cluster", "publication"} {
		if typ, _ := objectType(other); v.Type().Equals(typ) && v.GetAttr("id").IsKnown() && !v.GetAttr("id").IsNull() {
			return "", fmt.Sprintf("this is %s.", v.GetAttr("id").AsString())
		}
	}
	return "", "this is " + withArticle(v.Type().FriendlyName()) + "."
}

// declaredID refuses what has the shape of that kind and is another: a
// subscription for a publication, or an object that the text makes itself.
func (e *evaluator) declaredID(v cty.Value, kind string) (id, why string) {
	if !v.IsKnown() || v.IsNull() {
		return "", ""
	}
	id = v.AsString()
	found := map[string]bool{
		"node": e.nodes[id] != nil, "cluster": e.clusters[id] != nil, "publication": e.publications[id] != nil,
	}
	if !found[kind] {
		return "", fmt.Sprintf("this is %s.", id)
	}
	return id, ""
}

func exampleOf(kind string) string {
	if kind == "node" {
		return `node.pg["pg1"]`
	}
	return kind + `.orders["eu"]`
}

// quoted returns what to write for a name in quotes.
func (e *evaluator) quoted(kind, name string) string {
	id := ""
	for _, n := range e.top.Nodes {
		if kind == "node" && n.Name == name {
			id = n.ID
		}
	}
	if kind != "node" && e.decls.byAddress[kind+"."+name] != nil {
		id = kind + "." + name
	}
	if id != "" {
		return fmt.Sprintf("write %s without quotes.", id)
	}
	return fmt.Sprintf("this is a string. Write %s.NAME without quotes.", kind)
}
