package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/repltool/repltool/templates"
	"github.com/repltool/repltool/topology"
)

// initCI writes the files that run repltool in that place for the topology in dir.
func (a *app) initCI(dir, place string) error {
	ci, known := templates.CIOf(place)
	if !known {
		return fmt.Errorf("-ci=%s: must be github, gitlab, systemd or cron", place)
	}
	t, diagnostics := a.load(dir, topology.Inputs{Unset: true})
	a.diagnostics(diagnostics)
	if hasErrors(diagnostics) {
		return exitError
	}
	home, described, err := describe(dir, ci)
	if err != nil {
		return err
	}
	described.Environ = t.Asked
	files, err := ci.Write(described)
	if err != nil {
		return err
	}
	if err := writeAllNew(home, files); err != nil {
		return err
	}
	for _, f := range files {
		a.printf("Wrote %s\n", filepath.Join(home, f.Path))
	}
	next, err := ci.Next(described)
	a.printf("%s", next)
	return err
}

// describe returns the directory that the files go to, and what they say of the topology.
func describe(dir string, ci templates.CI) (home string, t templates.Topology, err error) {
	whole, err := filepath.Abs(dir)
	if err != nil {
		return "", t, err
	}
	home, t.Dir = dir, whole
	if ci.InRoot {
		root, err := repository(whole)
		if err != nil {
			return "", t, err
		}
		if t.Dir, err = filepath.Rel(root, whole); err != nil {
			return "", t, err
		}
		home, t.Dir = root, filepath.ToSlash(t.Dir)
	}
	t.Program, t.Version = "repltool", "latest"
	if !ci.InRoot { // a unit has no PATH
		if t.Program, err = os.Executable(); err != nil {
			return "", t, err
		}
	}
	if strange := regexp.MustCompile(`[^A-Za-z0-9_./@-]`).FindString(t.Dir + t.Program); strange != "" {
		return "", t, fmt.Errorf("the directory %s, or the path of %s, has %q in it\nCI and cron have rules of their own for it. Use names with letters, digits and -_./@ alone", t.Dir, t.Program, strange)
	}
	t.Name = cmp.Or(strings.Trim(regexp.MustCompile(`[^A-Za-z0-9_-]+`).ReplaceAllString(filepath.Base(whole), "-"), "-"), "topology")
	if strings.HasPrefix(version, "v") {
		t.Version = version
	}
	return home, t, nil
}

// repository returns the directory above dir, or dir itself, that is a Git repository.
func repository(dir string) (string, error) {
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, ".git")); err == nil {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("%s is in no Git repository\nRun git init where the repository is to be, and this again", dir)
		}
	}
}

// writeAllNew writes files of which none is there yet.
func writeAllNew(home string, files []templates.File) error {
	for _, f := range files {
		path := filepath.Join(home, f.Path)
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%s already exists\ninit overwrites nothing. Move it away, and compare the two", path)
		}
	}
	for _, f := range files {
		path := filepath.Join(home, f.Path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := create(path, f.Text); err != nil {
			return err
		}
	}
	return nil
}
