package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/aymanbagabas/go-udiff"
	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/repltool/repltool/internal/view"
	"github.com/repltool/repltool/topology"
)

// fmtFlags are those of fmt.
type fmtFlags struct{ check, diff, recursive bool }

func (a *app) fmtCommand() *cobra.Command {
	var o fmtFlags
	c := &cobra.Command{
		Use: "fmt [flags] [DIR | FILE | -]", GroupID: groupWrite, Args: atMost(1, "one directory or file"),
		Short: "format topology files",
		Long: "Rewrite the *.hcl files of DIR in the standard format, and list the files that changed. With " +
			"\"-\", format stdin to stdout. With -check, exit code 3 means that a file would change.",
		Example: "  repltool fmt\n  repltool fmt -check -diff -recursive\n  repltool fmt - < main.hcl",
		RunE:    func(_ *cobra.Command, args []string) error { return a.fmt(dirOf(args), o) },
	}
	c.Flags().BoolVar(&o.check, "check", false, "do not write files; exit with 3 if a file would change")
	c.Flags().BoolVar(&o.diff, "diff", false, "show what changes")
	c.Flags().BoolVar(&o.recursive, "recursive", false, "include subdirectories")
	return c
}

func (a *app) fmt(target string, o fmtFlags) error {
	if target == "-" {
		return a.fmtStdin(o)
	}
	files, err := formattable(target, o.recursive)
	if err != nil {
		return err
	}
	changed, failed := 0, false
	for _, path := range files {
		differs, err := a.fmtFile(path, o)
		if err != nil && !errors.As(err, new(exit)) {
			return err
		}
		failed = failed || err != nil
		if differs {
			changed++
		}
	}
	return fmtResult(failed, o.check && changed > 0)
}

func fmtResult(failed, unformatted bool) error {
	switch {
	case failed:
		return exitError
	case unformatted:
		return exitUnformatted
	default:
		return nil
	}
}

// formattable lists the HCL files of a directory, or the one file.
func formattable(target string, recursive bool) ([]string, error) {
	info, err := os.Stat(target)
	if err != nil || !info.IsDir() {
		return []string{target}, err
	}
	var files []string
	err = filepath.WalkDir(target, func(path string, entry fs.DirEntry, err error) error {
		hidden := strings.HasPrefix(entry.Name(), ".") && path != target
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != target && (hidden || !recursive):
			return fs.SkipDir
		case !entry.IsDir() && !hidden && strings.HasSuffix(path, ".hcl"):
			files = append(files, path)
		}
		return nil
	})
	return files, err
}

// fmtFile formats one file and reports whether that changes it. A file that has
// errors is told of, and is exitError.
func (a *app) fmtFile(path string, o fmtFlags) (differs bool, err error) {
	before, err := topology.ReadFile(path, topology.LargestSource)
	if err != nil {
		return false, err
	}
	after, err := a.formatted(before, path)
	if err != nil || bytes.Equal(before, after) {
		return false, err
	}
	a.printf("%s\n", path)
	if o.diff {
		a.showDiff(path, before, after)
	}
	if o.check {
		return true, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return true, err
	}
	return true, os.WriteFile(path, after, info.Mode().Perm())
}

func (a *app) fmtStdin(o fmtFlags) error {
	before, err := io.ReadAll(io.LimitReader(a.in, topology.LargestSource+1))
	if err != nil {
		return err
	}
	if len(before) > topology.LargestSource {
		return errors.New("stdin is larger than the maximum size of a topology file")
	}
	const name = "stdin.hcl"
	after, err := a.formatted(before, name)
	if err != nil {
		return err
	}
	differs := !bytes.Equal(before, after)
	if o.diff && differs {
		a.showDiff(name, before, after)
	}
	if !o.diff && !o.check {
		a.printf("%s", after)
	}
	return fmtResult(false, o.check && differs)
}

// formatted returns the text in the one layout; what is wrong with it is reported.
func (a *app) formatted(text []byte, name string) ([]byte, error) {
	after, diags := topology.Format(text, name)
	if diags.HasErrors() {
		a.diagnostics(view.Diagnostics(diags, map[string]*hcl.File{name: topology.Source(text, name)}))
		return nil, exitError
	}
	return after, nil
}

// showDiff shows a change of layout; passwords in the text are struck out.
func (a *app) showDiff(name string, before, after []byte) {
	was, is := topology.Source(before, name).Bytes, topology.Source(after, name).Bytes
	a.printf("%s", udiff.Unified("a/"+name, "b/"+name, string(was), string(is)))
}
