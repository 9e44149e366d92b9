// Package write writes a topology as HCL that a person would be glad to have written: no
// default is spelled out, nodes that are alike are one block, and what the language cannot say
// stands in a comment where a reader looks for it.
//
// It is given what to write, and decides nothing of it. No secret is written: a password is the
// variable that its reference names.
package write

import (
	"github.com/repltool/repltool/topology"
)

// Text returns the whole as one file, formatted.
func Text(d *Document) ([]byte, error) {
	p := &printer{document: d, refs: map[*topology.Node]string{}}
	p.comment(d.Head)
	for _, v := range d.Variables {
		p.open("variable", v.Name)
		p.text("description", v.Description, "")
		p.attribute("type", "string")
		p.attribute("sensitive", "true")
		p.close()
	}
	p.nodes(d.Topology)
	for _, c := range d.Topology.Clusters {
		p.cluster(c)
	}
	for _, pub := range d.Topology.Publications {
		p.publication(pub)
	}
	for _, sub := range d.Topology.Subscriptions {
		p.subscription(sub)
	}
	text, diags := topology.Format([]byte(p.b.String()), "main.hcl")
	if diags.HasErrors() {
		return nil, diags
	}
	return text, nil
}
