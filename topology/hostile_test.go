package topology

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
)

// Every attribute of the language is given every hostile text. Each is taken as it
// is written, byte for byte, or refused where it stands: never changed, never cut.

// hostile are texts that mean something to SQL, a shell, HCL or a configuration file.
func hostile() map[string]string {
	return map[string]string{
		"quote": "it's", "double": `a"b`, "newline": "a\nb", "return": "a\rb", "tab": "a\tb", "NUL": "a\x00b", "escape": "a\x1bb",
		"command": "$(id)", "backtick": "`id`", "backslash": `a\`, "percent": "%s", "template": "${x}", "directive": "%{x}", "blank": " a b ",
		"semicolon": "a;b", "comment": "a--b", "block comment": "/* a */", "hash": "#a", "comma": "a,b", "equals": "a=b",
		"unicode": "ünï名", "63 bytes": strings.Repeat("x", 63), "64 bytes": strings.Repeat("x", 62) + "é", "256 bytes": strings.Repeat("x", 256),
		"dash": "-rf", "plus": "+a", "at": "@a", "slash": "/a", "word": "all", "bidi": "a\u202eb", "separator": "a\u2028b", "replacement": "a\ufffdb", "none": "",
	}
}

// quoteHCL writes a text as HCL has it.
func quoteHCL(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r < ' ':
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return `"` + strings.NewReplacer("${", "$${", "%{", "%%{").Replace(b.String()) + `"`
}

// attribute is one attribute of the language, by the blocks around it.
type attribute struct {
	blocks []string // from the root; labels are left out
	name   string
	label  bool // the label of the last block
}

func (a attribute) String() string { return strings.Join(append(slices.Clone(a.blocks), a.name), ".") }

// attributesOf walks the schema.
func attributesOf(s *schema, blocks []string) []attribute {
	var all []attribute
	if len(s.labels) > 0 && len(blocks) > 0 {
		all = append(all, attribute{blocks, "label", true})
	}
	for _, name := range slices.Concat(s.required, s.optional) {
		all = append(all, attribute{blocks, name, false})
	}
	for _, b := range s.blocks {
		all = append(all, attributesOf(b.schema, append(slices.Clone(blocks), b.name))...)
	}
	return all
}

// needs are attributes without which a block says nothing of another one.
func needs() map[string]string {
	return map[string]string{
		"node": `host = "h"`, "cluster": "primary = node.pg1", "cluster.standby": "node = node.pg2",
		"cluster.hba":         "type = \"host\"\ndatabase = \"a\"\nuser = \"a\"\naddress = \"all\"\nmethod = \"trust\"",
		"publication":         "cluster = cluster.main\ndatabase = \"shop\"",
		"subscription":        "cluster = cluster.main\ndatabase = \"shop\"",
		"variable.validation": "condition = true\nerror_message = \"x\"",
	}
}

// with writes a topology that has the attribute, and nothing that it does not need.
func with(a attribute, value string) string {
	body := ""
	if !a.label {
		body = a.name + " = " + value + " # HERE\n"
	}
	for i := len(a.blocks); i > 0; i-- {
		label := `"x" `
		if a.label && i == len(a.blocks) {
			label = value + " "
		}
		s := rootSchema()
		for _, b := range a.blocks[:i] {
			s = s.block(b)
		}
		if len(s.labels) == 0 {
			label = ""
		}
		for line := range strings.Lines(needs()[strings.Join(a.blocks[:i], ".")]) {
			if name, _, _ := strings.Cut(line, " "); a.label || i < len(a.blocks) || name != a.name {
				body += strings.TrimSuffix(line, "\n") + "\n"
			}
		}
		here := ""
		if a.label && i == len(a.blocks) {
			here = " # HERE"
		}
		body = a.blocks[i-1] + " " + label + "{" + here + "\n" + body + "}\n"
	}
	return "node \"pg1\" { host = \"10.0.0.1\" }\nnode \"pg2\" { host = \"10.0.0.2\" }\n" + body
}

// free are attributes whose text is for readers, or is code, or a value of any type.
func free() []string {
	return []string{
		"node.for_each", "cluster.for_each", "publication.for_each", "subscription.for_each",
		"variable.type", "variable.default", "variable.description", "variable.validation.condition", "variable.validation.error_message",
	}
}

func TestHostileTexts(t *testing.T) {
	for _, a := range attributesOf(rootSchema(), nil) {
		if slices.Contains(free(), a.String()) {
			continue
		}
		t.Run(a.String(), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			refused := 0
			for _, form := range formsOf(t, dir, a) {
				for kind, text := range hostile() {
					src := with(a, fmt.Sprintf(form, quoteHCL(text)))
					top, diags := loadSource(t, dir, src)
					switch {
					case errsHere(src, diags):
						refused++
					case kind == "NUL", (kind == "newline" || kind == "return") && a.name != "where": // SQL has lines
						t.Errorf("takes a %s, which no file of a server can hold:\n%s", kind, src)
					case !diags.HasErrors() && text != "" && !holds(reflect.ValueOf(top), text):
						t.Errorf("the %s is taken and is not there as it was written:\n%s", kind, src)
					}
				}
			}
			if refused == 0 {
				t.Error("nothing is refused: the attribute is not checked")
			}
		})
	}
}

// formsOf returns the forms of a value that the attribute takes: a string, a list or
// a map; only a string where none fits, so that it is seen to be refused.
func formsOf(t *testing.T, dir string, a attribute) []string {
	t.Helper()
	if a.label {
		return []string{"%s"}
	}
	var forms []string
	for _, form := range []string{"%s", "[%s]", "{ \"app.x\" = %s }", "{ %s = \"on\" }"} {
		src := with(a, fmt.Sprintf(form, `"x"`))
		_, diags := loadSource(t, dir, src)
		if !slices.ContainsFunc(diags, func(d *hcl.Diagnostic) bool {
			return strings.Contains(d.Summary, "type") || strings.HasPrefix(d.Summary, "Not a")
		}) {
			forms = append(forms, form)
		}
	}
	if forms == nil {
		return []string{"%s"}
	}
	return forms
}

func loadSource(t *testing.T, dir, src string) (*Topology, hcl.Diagnostics) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "main.hcl"), []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(dir, Inputs{})
}

// errsHere reports whether an error points at the line of the attribute.
func errsHere(src string, diags hcl.Diagnostics) bool {
	line := 1 + strings.Count(src[:strings.Index(src, "# HERE")], "\n")
	return slices.ContainsFunc(diags, func(d *hcl.Diagnostic) bool {
		return d.Severity == hcl.DiagError && d.Subject != nil && d.Subject.Start.Line == line
	})
}

// holds reports whether a text is somewhere within a value, whole or as a part of an
// address.
func holds(v reflect.Value, text string) bool {
	return within(v, text, map[any]bool{})
}

func within(v reflect.Value, text string, seen map[any]bool) bool {
	switch v.Kind() {
	case reflect.String:
		return strings.Contains(v.String(), text)
	case reflect.Pointer:
		if v.IsNil() || seen[v.Pointer()] {
			return false
		}
		seen[v.Pointer()] = true
		return within(v.Elem(), text, seen)
	case reflect.Interface:
		return !v.IsNil() && within(v.Elem(), text, seen)
	case reflect.Struct:
		for i := range v.NumField() {
			if within(v.Field(i), text, seen) {
				return true
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			if within(v.Index(i), text, seen) {
				return true
			}
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			if within(it.Key(), text, seen) || within(it.Value(), text, seen) {
				return true
			}
		}
	}
	return false
}
