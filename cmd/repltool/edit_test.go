package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/repltool/repltool/topology"
)

// TestEditNotWritten: a topology that cannot be written is said with the lines to write by hand.
func TestEditNotWritten(t *testing.T) {
	e := &edit{path: filepath.Join(t.TempDir(), "gone", "main.hcl"), from: &topology.Node{ID: "node.pg1"}, to: &topology.Node{ID: "node.pg2"}}
	err := e.write()
	if err == nil {
		t.Fatal("a file in a directory that does not exist was written")
	}
	for _, want := range []string{e.path + " cannot be written\n", "Nothing was changed.", "primary = node.pg2, and node.pg1 among the standbys"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}
