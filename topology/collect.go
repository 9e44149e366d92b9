package topology

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// declarations are the blocks of all files, found and not yet evaluated. They
// hang in one table by address, so that what refers to them need not know the
// file or the order.
type declarations struct {
	byAddress map[string]*declaration
	order     []string // addresses in the order of the files
}

// declaration is one thing that has an address: var.x, local.x, node.x,
// cluster.x, publication.x, subscription.x, or the one called defaults.
type declaration struct {
	address string
	kind    string
	name    string
	block   *hcl.Block     // nil for a local
	expr    hcl.Expression // of a local
	at      hcl.Range
}

func (d *declarations) names(kind string) []string {
	var names []string
	for _, address := range d.order {
		if decl := d.byAddress[address]; decl.kind == kind {
			names = append(names, decl.name)
		}
	}
	return names
}

// collect finds the declarations of all topology files.
func (e *evaluator) collect() {
	root := rootSchema()
	for _, name := range e.src.topology {
		file := e.src.files[name]
		if file == nil {
			continue
		}
		content, diags := root.content(file.Body, e.src.files)
		e.report(diags)
		for _, block := range content.Blocks {
			e.declareBlock(block)
		}
	}
}

func (e *evaluator) declareBlock(block *hcl.Block) {
	switch block.Type {
	case "locals":
		attrs, diags := block.Body.JustAttributes()
		e.report(diags)
		for _, attr := range inOrder(attrs) {
			e.declare(&declaration{kind: "local", name: attr.Name, expr: attr.Expr, at: attr.NameRange})
		}
	case "defaults":
		e.declare(&declaration{kind: "defaults", block: block, at: block.DefRange})
	case "moved":
		e.movedBlocks = append(e.movedBlocks, block)
	case "variable":
		e.declareLabeled("var", block)
	default:
		e.declareLabeled(block.Type, block)
	}
}

func (e *evaluator) declareLabeled(kind string, block *hcl.Block) {
	name := block.Labels[0]
	if !hclsyntax.ValidIdentifier(name) {
		e.report(hcl.Diagnostics{problem(block.LabelRanges[0], "Invalid name",
			"%q cannot be used in expressions: begin the name with a letter, and continue with letters, digits, _ and -.", name)})
		return
	}
	e.declare(&declaration{kind: kind, name: name, block: block, at: block.DefRange})
}

func (e *evaluator) declare(d *declaration) {
	d.address = d.kind + "." + d.name
	if d.kind == "defaults" {
		d.address = d.kind
	}
	if first := e.decls.byAddress[d.address]; first != nil {
		e.report(hcl.Diagnostics{problem(d.at, "Duplicate declaration",
			"%s is already declared at %s. Rename one of the two, or merge them.", d.address, where(first.at))})
		return
	}
	e.decls.byAddress[d.address] = d
	e.decls.order = append(e.decls.order, d.address)
}
