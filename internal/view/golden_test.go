package view

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/repltool/repltool/plan"
)

var update = flag.Bool("update", false, "write the golden files again")

// TestGoldenPlans runs testdata/*.txtar: a plan as JSON, and each view of it.
func TestGoldenPlans(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { golden(t, file) })
	}
}

// views are the parts of a golden file that are made of its plan.
func views(p *plan.Plan) map[string]func(io.Writer) error {
	const took, next = 412 * time.Millisecond, "Apply it: repltool apply orders.plan"
	return map[string]func(io.Writer) error{
		"text":          func(w io.Writer) error { return Plan(w, Style{}, p, PlanOptions{Took: took, Next: next}) },
		"text-80":       func(w io.Writer) error { return Plan(w, Style{Width: 80}, p, PlanOptions{Took: took, Next: next}) },
		"colour":        func(w io.Writer) error { return Plan(w, Style{Color: true}, p, PlanOptions{Took: took}) },
		"brief":         func(w io.Writer) error { return Plan(w, Style{}, p, PlanOptions{Detail: Brief}) },
		"verbose":       func(w io.Writer) error { return Plan(w, Style{}, p, PlanOptions{Detail: Verbose}) },
		"markdown":      func(w io.Writer) error { return Markdown(w, p) },
		"diff-markdown": func(w io.Writer) error { return DiffMarkdown(w, p) },
	}
}

// golden compares the views that a file has parts for.
func golden(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p := &plan.Plan{} // not by plan.Decode: a fingerprint from another day will do
	if err := json.Unmarshal(archive.Files[0].Data, p); err != nil {
		t.Fatal(err)
	}
	all := views(p)
	for i, part := range archive.Files[1:] {
		write := all[part.Name]
		if write == nil {
			t.Fatalf("no view is called %q", part.Name)
		}
		var out bytes.Buffer
		if err := write(&out); err != nil {
			t.Fatal(err)
		}
		got := strings.ReplaceAll(out.String(), "\x1b", "ESC") // so that the file stays text
		if *update {
			archive.Files[i+1].Data = []byte(got)
		} else if d := cmp.Diff(string(part.Data), got); d != "" {
			t.Errorf("%s is not as the golden file has it (-want +got):\n%s", part.Name, d)
		}
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
