package topology

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

const reference = "../docs/language.md"

// TestReferenceNamesEverything: each attribute, block, function and refused
// parameter is in docs/language.md.
func TestReferenceNamesEverything(t *testing.T) {
	text, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	names := schemaNames("", rootSchema())
	e := newEvaluator("", Inputs{}, &sources{})
	names = append(names, slices.Collect(maps.Keys(e.functions))...)
	names = append(names, slices.Collect(maps.Keys(ownedParameters()))...)
	names = append(names, slices.Collect(maps.Keys(reservedWords()))...)
	for _, name := range names {
		if !strings.Contains(string(text), "`"+name+"`") && !strings.Contains(string(text), "`"+name+"(") {
			t.Errorf("%s does not name %s", reference, name)
		}
	}
}

func schemaNames(block string, s *schema) []string {
	names := append(slices.Clone(s.required), s.optional...)
	for _, b := range s.blocks {
		if block != "" {
			names = append(names, b.name)
		}
		names = append(names, schemaNames(b.name, b.schema)...)
	}
	return names
}

// TestReferenceExamples: every example is laid out as fmt does it, and those
// that are whole topologies load.
func TestReferenceExamples(t *testing.T) {
	text, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(text), "```hcl\n")[1:] {
		example, _, _ := strings.Cut(part, "```")
		out, diags := Format([]byte(example), "example.hcl")
		if diags.HasErrors() || string(out) != example {
			t.Errorf("not in fmt's layout: %v\n%s", diags, out)
		}
		if !strings.Contains(example, "node ") || !strings.Contains(example, "cluster ") {
			continue
		}
		top, diags := loadText(t, map[string][]byte{"main.hcl": []byte(example)}, map[string]string{"REPLICATOR_PASSWORD": canary})
		if len(diags) > 0 {
			t.Error(render(top, diags))
		}
	}
}
