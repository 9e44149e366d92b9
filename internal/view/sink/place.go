package sink

import (
	"path/filepath"

	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/plan"
)

// rangeOf is where a diagnostic is; empty for one without a place.
func rangeOf(d plan.Diagnostic) hcl.Range {
	if d.Range == nil {
		return hcl.Range{}
	}
	return hcl.Range{Filename: d.Range.Filename, Start: position(d.Range.Start), End: position(d.Range.End)}
}

func position(p plan.Pos) hcl.Pos { return hcl.Pos{Line: p.Line, Column: p.Column, Byte: p.Byte} }

// below names the file of a range as seen from a directory. One that is not below it has no
// name that another program could use, so that the range is empty.
func below(base string, at hcl.Range) hcl.Range {
	if at.Filename == "" || base == "" {
		return at
	}
	path, err := filepath.Abs(at.Filename)
	if err != nil {
		return hcl.Range{}
	}
	path, err = filepath.Rel(base, path)
	if err != nil || !filepath.IsLocal(path) {
		return hcl.Range{}
	}
	at.Filename = filepath.ToSlash(path)
	return at
}
