package topology

import (
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"
)

// Inputs are what a topology takes from outside of its directory. The zero
// value is a run with an empty environment and no variables given.
type Inputs struct {
	// Vars are the -var and -var-file flags in the order given; later wins.
	Vars []Assignment
	// Environ looks a name up in the environment: for env() and for
	// REPLTOOL_VAR_NAME. Nil is an empty environment.
	Environ func(name string) (string, bool)
	// Variables are the values that a saved plan recorded (Topology.Variables):
	// HCL expressions by the variable's name. They win over the environment and
	// over values files, and lose to Vars.
	Variables map[string]string
	// Unset takes a variable without a value, and an environment variable that env() does
	// not find, for an unknown value: what rests on it is checked by type only. The topology
	// is good for diagnostics then, and for nothing else.
	Unset bool
	// NoSecrets takes a sensitive variable without a value, and an environment variable that
	// env() does not find, for an unknown value. The topology is good for being shown then:
	// which blocks there are must not depend on one.
	NoSecrets bool
}

// Assignment is one -var or -var-file flag. Exactly one field is set.
type Assignment struct {
	Var  string // NAME=VALUE
	File string // path of a values file, as the caller's directory sees it
}

// Load reads all topology files of one directory (not its subdirectories) and
// returns what they describe.
//
// Every problem is reported, not the first only. With error diagnostics the
// topology is partial: it serves snippets and strikes out secrets, nothing
// more. Neither diagnostics nor Files hold a secret's text.
func Load(dir string, in Inputs) (*Topology, hcl.Diagnostics) {
	if in.Environ == nil {
		in.Environ = func(string) (string, bool) { return "", false }
	}
	return bounded(dir, mostTime, func(at *place) (*Topology, hcl.Diagnostics) {
		src, diags := readSources(dir)
		e := newEvaluator(dir, in, src)
		e.at = at
		e.report(diags)
		if src.readable {
			e.run()
		}
		return e.finish()
	})
}

// sources are the parsed files of one directory.
type sources struct {
	files    map[string]*hcl.File // by the name that ranges carry
	topology []string             // names of topology files, in order
	values   []string             // names of values files, in order of precedence
	readable bool                 // the directory could be listed
}

func readSources(dir string) (*sources, hcl.Diagnostics) {
	src := &sources{files: map[string]*hcl.File{}}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return src, hcl.Diagnostics{failure("Unreadable topology directory",
			"Cannot read %s: %s. Specify the directory that contains the *.hcl files.", dir, reason(err))}
	}
	src.readable = true
	var diags hcl.Diagnostics
	for _, entry := range entries {
		if !entry.IsDir() && !ignoredFile(entry.Name()) {
			diags = append(diags, src.add(dir, entry.Name())...)
		}
	}
	sort.SliceStable(src.values, func(i, j int) bool { return valuesLess(src.values[i], src.values[j]) })
	if len(src.topology) == 0 {
		diags = append(diags, failure("No topology files",
			"Directory %s contains no *.hcl or *.hcl.json files. Write a starter topology with:\n  repltool init", dir))
	}
	return src, diags
}

// add reads one file if its name says that it is ours.
func (s *sources) add(dir, name string) hcl.Diagnostics {
	path := filepath.Join(dir, name)
	switch {
	case !strings.HasSuffix(name, ".hcl") && !strings.HasSuffix(name, ".hcl.json"):
		return nil
	case isValuesFile(name):
		if !isAutomatic(name) {
			return nil
		}
		s.values = append(s.values, path)
	default:
		s.topology = append(s.topology, path)
	}
	return s.parse(path, ReadFile)
}

// parse reads a file into s.files, even when its syntax is broken: what could
// be read of it still counts, and diagnostics show its text.
func (s *sources) parse(path string, read func(string, int64) ([]byte, error)) hcl.Diagnostics {
	text, err := read(path, LargestSource)
	if err != nil {
		return hcl.Diagnostics{failure("Unreadable file", "Cannot read %s: %s.", path, reason(err))}
	}
	file, diags := parseSource(text, path)
	s.files[path] = file
	return diags
}

// parseSource parses a text. One that cannot be parsed safely is answered without it.
func parseSource(text []byte, path string) (*hcl.File, hcl.Diagnostics) {
	if d := checkNesting(text, path); d != nil {
		return &hcl.File{Body: hcl.EmptyBody()}, hcl.Diagnostics{d}
	}
	parse := hclsyntax.ParseConfig
	if strings.HasSuffix(path, ".json") {
		parse = func(text []byte, path string, _ hcl.Pos) (*hcl.File, hcl.Diagnostics) {
			return json.Parse(text, path)
		}
	}
	file, diags := parse(text, path, hcl.InitialPos)
	if file == nil || file.Body == nil {
		file = &hcl.File{Body: hcl.EmptyBody()}
	}
	file.Bytes = text
	return file, diags
}

// ignoredFile says what editors leave behind.
func ignoredFile(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "#") || strings.HasSuffix(name, "~")
}

func isValuesFile(name string) bool {
	return strings.HasSuffix(name, ".vars.hcl") || strings.HasSuffix(name, ".vars.hcl.json")
}

// isAutomatic reports whether a values file is read without being named.
func isAutomatic(name string) bool {
	name = strings.TrimSuffix(name, ".json")
	return name == "repltool.vars.hcl" || strings.HasSuffix(name, ".auto.vars.hcl")
}

// valuesLess puts repltool.vars.hcl before the automatic files, and those in
// the order of their names.
func valuesLess(a, b string) bool {
	firstA := strings.HasPrefix(filepath.Base(a), "repltool.vars.hcl")
	firstB := strings.HasPrefix(filepath.Base(b), "repltool.vars.hcl")
	if firstA != firstB {
		return firstA
	}
	return a < b
}
