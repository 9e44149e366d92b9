package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/repltool/repltool/templates"
)

// localDir is where the servers of `init -local` live unless told otherwise. It is
// short, since the path of a Unix socket has at most 107 bytes.
const localDir = "/tmp/repltool-local"

func (a *app) initCommand() *cobra.Command {
	local, ci := false, ""
	c := &cobra.Command{
		Use: "init [flags] [DIR]", GroupID: groupWrite, Args: atMost(1, "one directory"),
		Short: "write a starter topology",
		Long: "Write a starter topology into DIR: one primary and two standbys, over SSH or, with -local, " +
			"on this machine alone. With -ci, write the files that run repltool for the topology that is in DIR. " +
			"No file is overwritten, and no host is contacted.",
		Example: "  repltool init\n  repltool init -local demo\n  repltool init -ci=github clusters/orders",
		RunE: func(_ *cobra.Command, args []string) error {
			if ci != "" {
				return a.initCI(dirOf(args), ci)
			}
			return a.init(dirOf(args), local)
		},
	}
	c.Flags().StringVar(&ci, "ci", "", "write what runs repltool by itself: `PLACE` is github, gitlab, systemd or cron")
	c.Flags().BoolVar(&local, "local", false, "three servers on this machine, without SSH")
	c.MarkFlagsMutuallyExclusive("local", "ci")
	return c
}

func (a *app) init(dir string, local bool) error {
	name := templates.Starter
	if local {
		name = templates.Local
	}
	text, err := templates.Render(name, map[string]string{"Cluster": "main", "Dir": localDir})
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "main.hcl")
	if err := writeNew(path, text); err != nil {
		return err
	}
	a.printf("Wrote %s: one primary and two standbys. Its comments say what to change.\n", path)
	a.printf("Edit it, then run: export REPLTOOL_VAR_replicator_password=… && %s\n", a.command("plan", dirWord(dir)))
	return nil
}

// writeNew writes a file into a directory that holds no topology yet.
func writeNew(path string, text []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, pattern := range []string{"*.hcl", "*.hcl.json"} {
		if found, _ := filepath.Glob(filepath.Join(dir, pattern)); len(found) > 0 {
			return fmt.Errorf("%s already exists\ninit does not overwrite a topology. Use another directory:\n  repltool init DIR", found[0])
		}
	}
	return create(path, text)
}

// create writes a file that is not there yet.
func create(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if _, err := file.Write(text); err != nil {
		_ = file.Close() // the error of writing tells more
		return err
	}
	return file.Close()
}
