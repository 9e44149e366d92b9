package topology

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

const reference = "../docs/language.md"

// TestReferenceNamesEverything: each function, refused parameter and reserved
// word is in docs/language.md, and each attribute and block in its section.
func TestReferenceNamesEverything(t *testing.T) {
	text, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	e := newEvaluator("", Inputs{}, &sources{})
	names := slices.Collect(maps.Keys(e.functions))
	names = append(names, slices.Collect(maps.Keys(ownedParameters()))...)
	for _, words := range []map[string]string{reservedAtTop(), reservedInCluster(), reservedInStandby()} {
		names = append(names, slices.Collect(maps.Keys(words))...)
	}
	checkNamed(t, reference, string(text), names)
	checkSections(t, sections(string(text)), "", rootSchema(), string(text))
}

func checkNamed(t *testing.T, place, text string, names []string) {
	t.Helper()
	for _, name := range names {
		if !strings.Contains(text, "`"+name+"`") && !strings.Contains(text, "`"+name+"(") {
			t.Errorf("%s does not name %s", place, name)
		}
	}
}

// sections returns the text under each heading, that of deeper ones left out.
func sections(text string) map[string]string {
	out := map[string]string{}
	title := ""
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, "#") {
			title = strings.TrimLeft(line, "# ")
			continue
		}
		out[title] += line + "\n"
	}
	return out
}

// checkSections: a block without a heading of its own stands in the section of
// the block around it. What defaults takes is said in words.
func checkSections(t *testing.T, all map[string]string, title string, s *schema, section string) {
	t.Helper()
	if title != "defaults" {
		checkNamed(t, reference+", section "+title+",", section, append(slices.Clone(s.required), s.optional...))
	}
	for _, b := range s.blocks {
		if title != "" && title != "defaults" {
			checkNamed(t, reference+", section "+title+",", section, []string{b.name})
		}
		inner, name := section, title
		if text, ok := all[b.name]; ok {
			inner, name = text, b.name
		}
		checkSections(t, all, name, b.schema, inner)
	}
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
