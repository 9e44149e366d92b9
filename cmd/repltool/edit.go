package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/repltool/repltool/apply"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/topology"
)

// moveFlags are those of the verbs that move a primary.
type moveFlags struct {
	applyFlags
	to string
}

// register adds the flags of a verb; toWords say what becomes of the node of -to.
func (o *moveFlags) register(f *pflag.FlagSet, toWords, verb string) {
	o.common.register(f)
	f.Lookup("target").Hidden = true // it is refused
	f.StringVar(&o.to, "to", "", toWords)
	f.BoolVar(&o.autoApprove, "auto-approve", false, "do not ask for approval of the "+verb)
	f.StringSliceVar(&o.allow, "allow", nil, "also approve the kinds of changes in `LIST`: restart, drop, reclone, recreate, discard")
}

// moveArgs accepts a cluster and a directory.
func moveArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 || len(args) > 2 {
		return fmt.Errorf("%s accepts a cluster and a directory: repltool %s", c.Name(), strings.Replace(c.Use, " [flags]", "", 1))
	}
	return nil
}

// edit is what was written into a file of the topology.
type edit struct {
	path          string
	before, after []byte
	primary       string         // the address of who leads
	from, to      *topology.Node // who leads before, and after
}

// loaded returns the topology, before anything is edited.
func (x *application) loaded() (*topology.Topology, error) {
	t, loading := x.load(x.dir, x.o.inputs(x.app))
	if hasErrors(loading) {
		x.tell(loading)
		return nil, exitError
	}
	return t, nil
}

// runEdited writes who is to lead into the topology, plans and applies, and takes the edit back
// where the primary did not move.
func (x *application) runEdited(ctx context.Context, c *topology.Cluster, to *topology.Node) error {
	e, err := x.edited(c, to)
	if err != nil {
		return err
	}
	if e.path != "" {
		if err := e.write(); err != nil {
			return err
		}
		if !x.o.json && !x.o.quiet {
			fmt.Fprint(x.err, e.diff())
		}
	}
	err = x.run(ctx)
	if back := e.settle(x, err); back != nil {
		x.fail(back)
		return cmp.Or(err, error(exitError))
	}
	return err
}

// edited is the edit by which to leads; one without a path where the topology says so already.
func (x *application) edited(c *topology.Cluster, to *topology.Node) (*edit, error) {
	e := &edit{primary: c.Address().Object("primary", "").String(), from: c.Primary, to: to}
	if c.Primary == to {
		return e, nil
	}
	path := filepath.Join(x.dir, filepath.Base(c.Range.Filename))
	before, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	after, err := topology.MovePrimary(before, c, to)
	if err != nil {
		return nil, fmt.Errorf("%w\nNothing was changed. Write it by hand: primary = %s, and %s among the standbys; then: repltool apply", err, to.ID, c.Primary.ID)
	}
	e.path, e.before, e.after = path, before, after
	return e, nil
}

func (e *edit) diff() string {
	return udiff.Unified("a/"+e.path, "b/"+e.path, string(e.before), string(e.after))
}

// write writes the edit into the topology.
func (e *edit) write() error {
	if err := replaceFile(e.path, e.after); err != nil {
		return fmt.Errorf("%s cannot be written\n%w\nNothing was changed. Make the file and its directory writable (chattr -i, if the file is immutable), or write it "+
			"by hand: primary = %s, and %s among the standbys; then: repltool apply", e.path, err, e.to.ID, e.from.ID)
	}
	return nil
}

// chosen returns the cluster and its member of those names.
func chosen(t *topology.Topology, name, to string) (*topology.Cluster, *topology.Node, error) {
	c, err := clusterOfName(t, name)
	if err != nil {
		return nil, nil, err
	}
	var members []string
	for _, n := range c.Members() {
		if n.Name == to || n.ID == to {
			return c, n, nil
		}
		members = append(members, n.Name)
	}
	if to == "" {
		return nil, nil, fmt.Errorf("-to=NODE is missing: which of %s becomes the primary", words.Few(members[1:]))
	}
	return nil, nil, fmt.Errorf("-to=%s: %s has no such node.%s", to, c.ID, words.Near(to, members[1:]))
}

// clusterOfName returns the cluster of that name or address.
func clusterOfName(t *topology.Topology, name string) (*topology.Cluster, error) {
	var clusters []string
	for _, c := range t.Clusters {
		if c.Name == name || c.ID == name {
			return c, nil
		}
		clusters = append(clusters, c.Name)
	}
	return nil, fmt.Errorf("there is no cluster %q.%s", name, words.Near(name, clusters))
}

// settle takes the edit back where the primary has not moved and nothing of the move is left.
func (e *edit) settle(x *application, failed error) error {
	if e.path == "" || failed == nil && (x.report == nil || x.report.OK()) || e.stays(x.report) {
		return nil
	}
	now, err := os.ReadFile(e.path)
	if err != nil || !bytes.Equal(now, e.after) {
		return err // somebody has edited it since
	}
	if err := replaceFile(e.path, e.before); err != nil {
		return fmt.Errorf("%s cannot be written\n%w\nThe primary did not move, and the file still has primary = %s: write primary = %s, and %s among the standbys",
			e.path, err, e.to.ID, e.from.ID, e.to.ID)
	}
	if !x.o.json {
		x.sayf("%s is as it was before: the primary did not move.", e.path)
	}
	return nil
}

// stays reports whether the move was begun and not taken back.
func (e *edit) stays(r *apply.Report) bool {
	if r == nil {
		return false
	}
	begun := slices.ContainsFunc(r.Steps, func(s apply.Result) bool { return s.Step.Address == e.primary && s.State != apply.NotTried })
	return begun && !r.TookBack(e.primary)
}

// replaceFile writes a file that is there, at once or not at all, and keeps its mode. Of a
// symbolic link it writes the file that the link leads to.
func replaceFile(path string, text []byte) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return writeFile(path, info.Mode().Perm(), func(w io.Writer) error { _, err := w.Write(text); return err })
}
