// Package templates holds the texts that repltool hands to a user.
//
// Each is a file of its own, so that it can be read and changed without reading
// code. A key that a template names and nobody gave is an error, never an empty
// place.
package templates

import (
	"bytes"
	"embed"
	"fmt"
	"strconv"
	"strings"
	"text/template"
)

//go:embed *.tmpl
var files embed.FS // go:embed wants a variable; nothing changes it

// The starter topologies that `repltool init` writes.
const (
	Starter = "starter.hcl.tmpl" // three hosts over SSH; key Cluster
	Local   = "local.hcl.tmpl"   // three servers on this machine; keys Cluster, Dir
)

// Render fills a template in. What is to be filled in stands in [[ ]]: the texts themselves have the
// braces of other languages.
func Render(name string, values any) ([]byte, error) {
	text, err := files.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("template %s: %w", name, err)
	}
	return fill(name, string(text), values)
}

func fill(name, text string, values any) ([]byte, error) {
	t, err := template.New(name).Delims("[[", "]]").Option("missingkey=error").Funcs(template.FuncMap{"quote": quote}).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("template %s: %w", name, err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, values); err != nil {
		return nil, fmt.Errorf("template %s: %w", name, err)
	}
	return out.Bytes(), nil
}

// quote writes a text as a string of HCL, in which ${ and %{ begin templates.
func quote(text string) string {
	return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(strconv.Quote(text))
}
