package messages

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const root = "../.."

// packages are the directories, with those below them, whose strings users read.
func packages() []string {
	return []string{"topology", "facts", "cluster", "doctor", "plan", "apply", "providers", "internal/pg", "internal/view", "cmd"}
}

// source is one parsed file.
type source struct {
	name string
	set  *token.FileSet
	file *ast.File
}

func (s source) at(n ast.Node) string {
	return s.name + ":" + strconv.Itoa(s.set.Position(n.Pos()).Line)
}

// sources parses the files of packages, tests left out.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	for _, name := range files(t, packages(), ".go") {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, filepath.Join(root, name), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, source{name, set, file})
	}
	return all
}

// files lists those with one of the endings at or below places, as seen from root.
func files(t *testing.T, places []string, endings ...string) []string {
	t.Helper()
	var all []string
	for _, place := range places {
		err := filepath.WalkDir(filepath.Join(root, place), func(path string, entry fs.DirEntry, err error) error {
			if err == nil && !entry.IsDir() && slices.ContainsFunc(endings, func(e string) bool { return strings.HasSuffix(path, e) }) {
				name, _ := filepath.Rel(root, path)
				all = append(all, name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(all) == 0 {
		t.Fatalf("no files in %v", places)
	}
	return all
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// text returns the string that an expression is: a literal, or a sum of them.
func text(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		return s, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		left, okLeft := text(e.X)
		right, okRight := text(e.Y)
		return left + right, e.Op == token.ADD && okLeft && okRight
	}
	return "", false
}
