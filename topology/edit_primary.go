package topology

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// MovePrimary returns the text of the file in which a cluster is written, with another of its
// members as the primary: the two take each other's place. What follows the primary follows
// the new one, and in the synchronous set the old primary takes the place of the new one.
// Only those references change; all else stays byte for byte.
func MovePrimary(text []byte, c *Cluster, to *Node) ([]byte, error) {
	file, diags := hclsyntax.ParseConfig(text, c.Range.Filename, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, diags
	}
	for _, block := range file.Body.(*hclsyntax.Body).Blocks {
		if block.Type != "cluster" || !slices.Equal(block.Labels, []string{c.Name}) {
			continue
		}
		e := swapper{text: text, from: c.Primary, to: to}
		e.cluster(block.Body)
		switch {
		case !e.primary:
			return nil, fmt.Errorf("primary of %s is not written as %s", c.ID, c.Primary.ID)
		case !e.standby:
			return nil, fmt.Errorf("%s is not written as %s among the standbys of %s", to.Name, to.ID, c.ID)
		}
		return e.spliced(), nil
	}
	return nil, fmt.Errorf("there is no block cluster %q in %s", c.Name, c.Range.Filename)
}

// swapper finds where one reference is to stand in place of another.
type swapper struct {
	text             []byte
	from, to         *Node
	primary, standby bool // what was found
	splices          []splice
}

// splice is a part of a text and what comes in its place.
type splice struct {
	start, end int
	by         string
}

func (e *swapper) cluster(body *hclsyntax.Body) {
	e.primary = e.replace(body, "primary", e.from, e.to)
	e.standby = e.replace(body, "standbys", e.to, e.from)
	for _, b := range body.Blocks {
		switch b.Type {
		case "standby":
			e.standby = e.replace(b.Body, "node", e.to, e.from) || e.standby
			e.replace(b.Body, "upstream", e.from, e.to)
		case "synchronous":
			e.replace(b.Body, "standbys", e.to, e.from)
		}
	}
}

// replace notes that is stands in place of was in an attribute, and reports whether was is
// there.
func (e *swapper) replace(body *hclsyntax.Body, name string, was, is *Node) bool {
	attribute := body.Attributes[name]
	if attribute == nil {
		return false
	}
	for _, v := range attribute.Expr.Variables() {
		if r := v.SourceRange(); string(r.SliceBytes(e.text)) == was.ID {
			e.splices = append(e.splices, splice{r.Start.Byte, r.End.Byte, is.ID})
			return true
		}
	}
	return false
}

// spliced returns the text with all that was noted.
func (e *swapper) spliced() []byte {
	slices.SortFunc(e.splices, func(a, b splice) int { return a.start - b.start })
	var out []byte
	at := 0
	for _, c := range e.splices {
		out = append(append(out, e.text[at:c.start]...), c.by...)
		at = c.end
	}
	return append(out, e.text[at:]...)
}
