package topology

import (
	"github.com/zclconf/go-cty/cty"
)

// decodeLogical reads a publication or subscription as far as its own text
// goes: attributes, references and values. What it asks for is not built yet,
// and that is said once, on its header.
func (e *evaluator) decodeLogical(decl *declaration) cty.Value {
	s := publicationSchema()
	if decl.kind == "subscription" {
		s = subscriptionSchema()
	}
	e.add(unsupported(decl.at, "A %s is planned. Physical replication (cluster, standbys, slots, roles, databases) works.", decl.kind))
	keys, ok := e.forEach(decl, s)
	if !ok {
		return cty.DynamicVal
	}
	var scope map[string]cty.Value
	if keys != nil {
		scope = map[string]cty.Value{"each": cty.DynamicVal}
	}
	b := e.read(decl.block, decl.block.Body, s, decl.address, scope)
	b.attributes()
	for _, n := range s.blocks {
		for _, inner := range b.blocks(n.name) {
			inner.attributes()
		}
	}
	return cty.DynamicVal
}

// attributes evaluates every attribute for the sake of what is wrong with it.
func (b *block) attributes() {
	for _, attr := range inOrder(b.content.Attributes) {
		switch attr.Name {
		case "for_each":
		case "password":
			b.password(b.address + ".password")
		default:
			b.value(attr.Name)
		}
	}
}
