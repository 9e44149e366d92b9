package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestExamples: every folder of examples/ validates, for the lab's hosts too, is laid
// out as fmt does it, has a README that says when to choose it and what it costs, and is linked from the
// project's.
func TestExamples(t *testing.T) {
	for name, value := range map[string]string{
		"REPLTOOL_VAR_replicator_password": "x", "REPLTOOL_VAR_migrator_password": "x", "REPLTOOL_VAR_debezium_password": "x", "REPLTOOL_VAR_feed_password": "x",
		"REPLTOOL_VAR_passwords": `{ replicator = "r", migrations = "m", checkout = "c", catalog = "k", storefront = "s" }`,
	} {
		t.Setenv(name, value)
	}
	expect := func(args ...string) {
		t.Helper()
		var out, err bytes.Buffer
		if code := run(context.Background(), args, streams{in: strings.NewReader(""), out: &out, err: &err}); code != 0 || err.Len() > 0 {
			t.Errorf("repltool %s: exit code %d\n%s%s", strings.Join(args, " "), code, out.String(), err.String())
		}
	}
	expect("fmt", "-check", "-recursive", "../../examples")
	front := readFile(t, "../../README.md")
	folders, err := os.ReadDir("../../examples")
	if err != nil || len(folders) < 5 {
		t.Fatalf("%d examples: %v", len(folders), err)
	}
	for _, f := range folders {
		dir := filepath.Join("../../examples", f.Name())
		expect("validate", dir)
		if lab := filepath.Join(dir, "lab.vars.hcl"); f.Name() != "quickstart" { // which is of one machine
			expect("validate", "-var-file="+lab, dir)
		}
		text := readFile(t, filepath.Join(dir, "README.md"))
		for _, word := range []string{"hoose it", "cost", "repltool plan", "repltool apply"} {
			if !strings.Contains(text, word) {
				t.Errorf("the README of %s lacks %q", f.Name(), word)
			}
		}
		if !strings.Contains(front, "](examples/"+f.Name()+")") {
			t.Errorf("README.md does not link to examples/%s", f.Name())
		}
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
