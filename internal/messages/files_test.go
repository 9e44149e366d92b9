package messages

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestDocumentsNameFiles: a path that a document names exists.
func TestDocumentsNameFiles(t *testing.T) {
	path := regexp.MustCompile("`([a-z0-9_-]+(/[a-z0-9_-]+)*/[a-z0-9_-]+\\.(go|md|txt|txtar|sh))`")
	seen := 0
	for _, name := range []string{"CONTRIBUTING.md", "docs/architecture.md"} {
		for _, m := range path.FindAllStringSubmatch(read(t, name), -1) {
			seen++
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
				t.Errorf("%s names %s, which does not exist", name, m[1])
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d paths were found", seen)
	}
}
