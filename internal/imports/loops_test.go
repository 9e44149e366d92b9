package imports

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// loops is how many files of a package may name each other in one loop: a file is read by
// itself only if none of those that it names leads back to it. The numbers only fall.
// Packages that are not here have none.
func loops() map[string]int {
	return map[string]int{
		"apply":                14,
		"cluster":              3,
		"cmd/repltool":         6,
		"facts":                4,
		"internal/lab":         12,
		"internal/lab/cmd/lab": 2,
		"internal/pg/conninfo": 2,
		"internal/pgtest":      2,
		"internal/view":        5,
		"plan":                 2,
		"plan/build":           2,
		"plan/build/check":     4,
		"plan/build/config":    2,
		"plan/build/draft":     2,
		"plan/build/logical":   3,
		"plan/build/streaming": 2,
		"providers":            9,
		"providers/host":       3,
		"providers/host/ssh":   9,
		"providers/postgres":   12,
		"topology":             34,
	}
}

// TestLoops counts, by go/types, the largest set of files of each package that name each
// other in a circle.
func TestLoops(t *testing.T) {
	packages := compiled(t)
	limits := loops()
	for _, p := range packages {
		path := strings.TrimPrefix(p.ImportPath, module)
		if !strings.HasPrefix(p.ImportPath, module) {
			continue
		}
		largest := largestLoop(filesNamed(t, p, packages))
		limit := max(limits[path], 1)
		switch {
		case len(largest) > limit:
			t.Errorf("%s: %d files name each other in a loop, more than %d: %s", path, len(largest), limit, strings.Join(largest, " "))
		case len(largest) < limits[path]:
			t.Errorf("%s: the largest loop has %d files: lower its number from %d, so that it stays", path, len(largest), limit)
		}
		delete(limits, path)
	}
	for path := range limits {
		t.Errorf("%s is not a package", path)
	}
}

type compiledPkg struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
}

// compiled lists the module's packages and all that they need, with export data.
func compiled(t *testing.T) map[string]compiledPkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-export", "-json=ImportPath,Dir,Export,GoFiles", module+"...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := map[string]compiledPkg{}
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p compiledPkg
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
	}
	return all
}

// filesNamed returns, for each file of a package, the others that it names something of.
func filesNamed(t *testing.T, p compiledPkg, all map[string]compiledPkg) map[string][]string {
	t.Helper()
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	lookup := func(path string) (io.ReadCloser, error) {
		if all[path].Export == "" {
			return nil, fmt.Errorf("no export data of %s", path)
		}
		return os.Open(all[path].Export)
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	conf := types.Config{Importer: importer.ForCompiler(fset, "gc", lookup)}
	pkg, err := conf.Check(p.ImportPath, fset, files, info)
	if err != nil {
		t.Fatalf("%s: %v", p.ImportPath, err)
	}
	named := map[string]map[string]bool{}
	file := func(pos token.Pos) string { return filepath.Base(fset.Position(pos).Filename) }
	for id, o := range info.Uses {
		if _, isImport := o.(*types.PkgName); o.Pkg() != pkg || isImport {
			continue
		}
		from, to := file(id.Pos()), file(o.Pos())
		if named[from] == nil {
			named[from] = map[string]bool{}
		}
		named[from][to] = true
	}
	sorted := map[string][]string{}
	for from, to := range named {
		sorted[from] = slices.Sorted(maps.Keys(to))
	}
	return sorted
}

// largestLoop returns the largest strongly connected set of a graph.
func largestLoop(edges map[string][]string) []string {
	reach := map[string]map[string]bool{}
	for from := range edges {
		reach[from] = map[string]bool{}
		for todo := slices.Clone(edges[from]); len(todo) > 0; {
			next := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			if !reach[from][next] {
				reach[from][next] = true
				todo = append(todo, edges[next]...)
			}
		}
	}
	var largest []string
	for _, from := range slices.Sorted(maps.Keys(reach)) {
		loop := []string{}
		for to := range reach[from] {
			if reach[to][from] {
				loop = append(loop, to)
			}
		}
		if len(loop) > max(len(largest), 1) {
			slices.Sort(loop)
			largest = loop
		}
	}
	return largest
}
