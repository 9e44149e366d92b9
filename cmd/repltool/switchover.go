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

	"github.com/aymanbagabas/go-udiff"
	"github.com/spf13/cobra"

	"github.com/repltool/repltool/apply"
	"github.com/repltool/repltool/internal/view"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// switchoverFlags are those of switchover.
type switchoverFlags struct {
	applyFlags
	to string
}

func (a *app) switchoverCommand() *cobra.Command {
	var o switchoverFlags
	c := &cobra.Command{
		Use: "switchover CLUSTER -to=NODE [flags] [DIR]", GroupID: groupRun, Args: switchoverArgs,
		Short: "make a standby the primary",
		Long: "Make NODE the primary of CLUSTER in the topology, keeping layout and comments, then plan, ask for approval, and apply: " +
			"the same as editing primary and standbys and running apply. The other standbys follow NODE before anything stops; the primary " +
			"is shut down, NODE replays all of its WAL and is promoted, and the old primary becomes its standby. If a step fails before the " +
			"promotion, everything is taken back, including the edit.",
		Example: "  repltool switchover main -to=pg2\n  repltool switchover main -to=pg2 -auto-approve",
		RunE: func(c *cobra.Command, args []string) error {
			return a.switchover(c.Context(), args[0], dirOf(args[1:]), &o)
		},
	}
	o.register(c.Flags())
	c.Flags().Lookup("target").Hidden = true // it is refused
	c.Flags().StringVar(&o.to, "to", "", "make the standby `NODE` the primary")
	c.Flags().BoolVar(&o.autoApprove, "auto-approve", false, "do not ask for approval of the switchover")
	c.Flags().StringSliceVar(&o.allow, "allow", nil, "also approve the kinds of changes in `LIST`: restart, drop, reclone, recreate")
	return c
}

func switchoverArgs(_ *cobra.Command, args []string) error {
	if len(args) == 0 || len(args) > 2 {
		return fmt.Errorf("switchover accepts a cluster and a directory: repltool switchover CLUSTER -to=NODE [DIR]")
	}
	return nil
}

func (a *app) switchover(ctx context.Context, cluster, dir string, o *switchoverFlags) error {
	if err := o.check(); err != nil {
		return err
	}
	if len(o.targets) > 0 {
		return fmt.Errorf("-target cannot be used with switchover: the move and what follows from it are applied whole. For a part of the plan edit primary, then: repltool apply -target=%s", o.targets[0])
	}
	x := &application{app: a, o: &o.applyFlags, dir: dir, verb: plan.AllowSwitchover}
	return a.withEvents(&o.common, func(events *view.Events) error {
		x.events = events
		edit, err := x.editPrimary(cluster, o.to)
		if err != nil {
			return err
		}
		err = x.run(ctx)
		if back := edit.settle(x, err); back != nil {
			x.fail(back)
			return cmp.Or(err, error(exitError))
		}
		return err
	})
}

// edit is what was written into a file of the topology.
type edit struct {
	path          string
	before, after []byte
	primary       string         // the address of who leads
	from, to      *topology.Node // who leads before, and after
}

// editPrimary writes who is to lead into the topology, unless that says so already.
func (x *application) editPrimary(name, to string) (*edit, error) {
	t, loading := x.load(x.dir, x.o.inputs(x.app))
	if hasErrors(loading) {
		x.tell(loading)
		return nil, exitError
	}
	c, n, err := chosen(t, name, to)
	if err != nil {
		return nil, err
	}
	x.moves = []string{c.ID}
	e := &edit{primary: c.Address().Object("primary", "").String(), from: c.Primary, to: n}
	if c.Primary == n {
		return e, nil
	}
	e.path = filepath.Join(x.dir, filepath.Base(c.Range.Filename))
	if e.before, err = os.ReadFile(e.path); err != nil {
		return nil, err
	}
	if e.after, err = topology.MovePrimary(e.before, c, n); err != nil {
		return nil, fmt.Errorf("%w\nNothing was changed. Write it by hand: primary = %s, and %s among the standbys; then: repltool apply", err, n.ID, c.Primary.ID)
	}
	if err := e.write(); err != nil {
		return nil, err
	}
	if !x.o.json && !x.o.quiet {
		fmt.Fprintf(x.err, "%s", udiff.Unified("a/"+e.path, "b/"+e.path, string(e.before), string(e.after)))
	}
	return e, nil
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
	var clusters, members []string
	for _, c := range t.Clusters {
		clusters = append(clusters, c.Name)
		if c.Name != name && c.ID != name {
			continue
		}
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
	return nil, nil, fmt.Errorf("there is no cluster %q.%s", name, words.Near(name, clusters))
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
