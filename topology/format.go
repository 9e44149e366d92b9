package topology

import (
	"bytes"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Format returns a file's text in the canonical layout: what the fmt command
// writes. A file with a syntax error is left alone, and so is JSON, which has
// formatters of its own. Show the diagnostics with Source's file.
func Format(src []byte, filename string) ([]byte, hcl.Diagnostics) {
	file, diags := parseSource(src, filename)
	if diags.HasErrors() {
		return nil, maskSource(file.Bytes, filename).diagnostics(diags)
	}
	if strings.HasSuffix(filename, ".json") {
		return src, nil
	}
	out := hclwrite.Format(src)
	// Some texts settle only when they are formatted again.
	for range 4 {
		again := hclwrite.Format(out)
		if bytes.Equal(again, out) {
			break
		}
		out = again
	}
	return out, nil
}

// Source returns a file as diagnostics may show it: with the literal passwords
// in it struck out by asterisks, so that every position stays what it was.
func Source(src []byte, filename string) *hcl.File {
	file, _ := parseSource(src, filename)
	return maskSource(file.Bytes, filename).file(filename, file)
}
