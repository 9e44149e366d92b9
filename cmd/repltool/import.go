package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/importer"
	"github.com/repltool/repltool/importer/write"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan/build"
	"github.com/repltool/repltool/topology"
)

// importFlags are those of import.
type importFlags struct {
	common
	follow    bool
	out, name string
}

func (a *app) importCommand() *cobra.Command {
	var o importFlags
	c := &cobra.Command{
		Use: "import [flags] [USER@]HOST[:PORT]…", GroupID: groupWrite, Args: atLeastOne,
		Short: "write the topology of what already runs",
		Long: "Read the PostgreSQL servers that run on each HOST, or the one on PORT, and write a topology that describes them: nodes, clusters, who follows " +
			"whom, slots, the synchronous set, and the parameters that were set. HOST is what you give to ssh. With -cluster, the other servers of the cluster are found from one of them. " +
			"Nothing on the servers is changed, and no secret is written: a password becomes a variable. Import then plans the result, as plan would. " +
			"Exit code: 0 if only marks of ownership are missing; 2 if a plan would change something, or a cluster manager runs there; 3 if a server that was found could not be read.",
		Example: "  repltool import pg1 pg2 pg3 > main.hcl\n  repltool import -cluster -out=topology pg1\n  repltool import pg1:5432",
		RunE:    func(c *cobra.Command, args []string) error { return a.importing(c.Context(), args, &o) },
	}
	o.register(c.Flags())
	readsOnly(c.Flags())
	lacks(c.Flags(), "var", "var-file", "target", "json", "json-into", "verbose")
	c.Flags().Lookup("quiet").Usage = "no summary"
	c.Flags().BoolVar(&o.follow, "cluster", false, "follow replication to the other servers of the cluster")
	c.Flags().StringVar(&o.out, "out", "", "write `DIR`/main.hcl instead of stdout; no file is overwritten")
	c.Flags().StringVar(&o.name, "name", "", "`NAME` of the cluster, if there is only one")
	return c
}

func atLeastOne(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("import needs a host, as you would give it to ssh: repltool import HOST\n%s", seeHelp(c))
	}
	return nil
}

// importing reads, decides, writes, and proves what was written.
func (a *app) importing(ctx context.Context, args []string, o *importFlags) error {
	var places []importer.Place
	for _, arg := range args {
		p, err := parsePlace(arg)
		if err != nil {
			return err
		}
		places = append(places, p)
	}
	if err := freeOutput(o.out); err != nil {
		return err
	}
	s := &surveyor{app: a, o: o, looked: map[string]bool{}}
	if err := s.read(ctx, places); err != nil {
		return err
	}
	d, err := importer.Decide(s.seen, importer.Options{Name: o.name, Unread: s.unread})
	if err != nil {
		return err
	}
	for _, secret := range d.Passwords {
		a.redactor.Add(secret.Reveal())
	}
	text, err := write.Text(d.Document)
	if err != nil {
		return fmt.Errorf("what was found cannot be written as HCL: %w", err)
	}
	if err := a.emit(o.out, text); err != nil {
		return err
	}
	return a.prove(ctx, o, d, text, len(s.unread) > 0)
}

// parsePlace reads [USER@]HOST[:PORT].
func parsePlace(arg string) (importer.Place, error) {
	p := importer.Place{Host: arg}
	if user, rest, is := strings.Cut(arg, "@"); is {
		p.SSH.User, p.Host = user, rest
	}
	if _, err := netip.ParseAddr(p.Host); err == nil { // of IPv6, which has colons
		return p, nil
	}
	if i := strings.LastIndexByte(p.Host, ':'); i >= 0 {
		port, err := strconv.ParseUint(p.Host[i+1:], 10, 16)
		if err != nil || port == 0 {
			return p, fmt.Errorf("%q is not a host: write HOST, or HOST:PORT with PostgreSQL's port", arg)
		}
		p.Port, p.Host = int(port), strings.Trim(p.Host[:i], "[]")
	}
	if p.Host == "" || strings.HasPrefix(p.Host, "-") || strings.HasPrefix(p.SSH.User, "-") {
		return p, fmt.Errorf("%q is not a host", arg)
	}
	return p, nil
}

// freeOutput refuses a directory that holds a topology, before anything is read.
func freeOutput(dir string) error {
	if dir == "" {
		return nil
	}
	for _, pattern := range []string{"*.hcl", "*.hcl.json"} {
		if found, _ := filepath.Glob(filepath.Join(dir, pattern)); len(found) > 0 {
			return fmt.Errorf("%s already exists\nimport does not overwrite a topology. Use another directory: -out=DIR", found[0])
		}
	}
	return nil
}

// emit writes the topology where it is wanted.
func (a *app) emit(dir string, text []byte) error {
	if dir == "" {
		_, err := a.out.Write(text)
		return err
	}
	return writeNew(filepath.Join(dir, "main.hcl"), text)
}

// prove plans what was written, and says what a plan would change.
func (a *app) prove(ctx context.Context, o *importFlags, d *importer.Decision, text []byte, gaps bool) error {
	dir, err := os.MkdirTemp("", "repltool-import-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := writeFile(filepath.Join(dir, "main.hcl"), private, func(w io.Writer) error { _, err := w.Write(text); return err }); err != nil {
		return err
	}
	in := topology.Inputs{Environ: a.environ, NoSecrets: true}
	for name, secret := range d.Passwords {
		in.Vars = append(in.Vars, topology.Assignment{Var: name + "=" + secret.Reveal()})
	}
	t, loading := a.load(dir, in)
	if hasErrors(loading) {
		a.diagnostics(loading)
		a.sayf("The topology was written, and does not load as it is: edit it where the errors say.")
		return exitChanges
	}
	live := a.connect(t, a.way(&o.common))
	defer live.Close()
	r, err := a.read(ctx, t, loading, live, cluster.Options{RepltoolVersion: version}, o.quiet)
	if err != nil {
		return err
	}
	return a.verdict(o, d, r, gaps)
}

// verdict says what was written, what it leaves, and the next command.
func (a *app) verdict(o *importFlags, d *importer.Decision, r *reading, gaps bool) error {
	p := r.plan
	open := len(p.Changes) > 0 || r.failed() || len(d.Managers) > 0 || len(d.Unproven) > 0
	if !o.quiet {
		a.summary(o, d, r)
	}
	a.diagnostics(p.Diagnostics)
	switch {
	case open:
		return exitChanges
	case gaps || !p.Complete:
		return exitIncomplete
	default:
		return nil
	}
}

func (a *app) summary(o *importFlags, d *importer.Decision, r *reading) {
	p := r.plan
	for _, text := range d.Left {
		a.sayf("%s", text)
	}
	for _, text := range d.Unproven {
		a.sayf("Not compared: %s", text)
	}
	if len(d.Managers) > 0 {
		a.sayf("A cluster manager runs: %s. It and repltool would undo each other's changes; see the comment on top.", strings.Join(d.Managers, ", "))
	}
	if len(p.Changes) > 0 {
		a.sayf("A plan would change this, besides writing marks of ownership:")
		changes, _ := build.Build(r.topology, r.facts, cluster.Options{NoMarks: true})
		for _, c := range changes.Changes {
			a.sayf("  %s %s%s", c.Action, c.Address, because(c.Reason))
		}
	} else if !r.failed() {
		a.sayf("A plan has no changes: only %s of ownership would be written.", words.Counted(len(p.Adopt), "mark"))
	}
	next := a.command("plan", dirWord(filepath.Clean(o.out)))
	if o.out == "" {
		next = "save it as main.hcl, then: repltool plan"
	}
	if len(d.Document.Variables) > 0 {
		var names []string
		for _, v := range d.Document.Variables {
			names = append(names, "REPLTOOL_VAR_"+v.Name)
		}
		a.sayf("Passwords are not written: set %s.", strings.Join(names, " and "))
	}
	a.sayf("Next: %s", next)
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// surveyor reads servers of which no topology is known.
type surveyor struct {
	*app
	o      *importFlags
	looked map[string]bool // hosts
	seen   []importer.Seen
	unread []string
}

// read reads the places and, if that is wanted, follows their replication.
func (s *surveyor) read(ctx context.Context, places []importer.Place) error {
	for _, p := range places {
		found, err := s.visit(ctx, p)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return fmt.Errorf("no PostgreSQL server runs on %s%s", p.Host, onPort(p.Port))
		}
		s.add(found)
	}
	for s.o.follow {
		leads := slices.DeleteFunc(importer.Follow(s.seen), func(l importer.Lead) bool { return s.looked[l.Host] })
		if len(leads) == 0 {
			break
		}
		for _, l := range leads {
			s.pursue(ctx, l)
		}
	}
	if err := s.readLogical(ctx); err != nil {
		return err
	}
	return s.resolve(ctx)
}

// readLogical reads the publications and subscriptions of every primary that was read.
func (s *surveyor) readLogical(ctx context.Context) error {
	var places []importer.Place
	var databases [][]string
	var at []int
	for i, x := range s.seen {
		if names := importer.Databases(x); len(names) > 0 {
			places, databases, at = append(places, x.Place()), append(databases, names), append(at, i)
		}
	}
	if len(places) == 0 {
		return nil
	}
	live := s.connect(importer.ProbeLogical(places, databases), s.way(&s.o.common))
	defer live.Close()
	inspected := live.Inspect(ctx, nil)
	for i, position := range at {
		n := inspected.Nodes[importer.ProbeName(i)]
		if n.Server == nil {
			return fmt.Errorf("%s%s: the server stopped while it was read", places[i].Host, onPort(places[i].Port))
		}
		s.seen[position].Facts = n
	}
	return ctx.Err()
}

func onPort(port int) string {
	if port == 0 {
		return ""
	}
	return fmt.Sprintf(" on port %d", port)
}

// pursue reads what a server's replication leads to: those servers there that have the same
// system identifier.
func (s *surveyor) pursue(ctx context.Context, l importer.Lead) {
	s.looked[l.Host] = true
	found, err := s.visit(ctx, importer.Place{Host: s.alias(l.Host)})
	if err != nil {
		s.unread = append(s.unread, l.Who)
		s.sayf("Not read: %s: %v", l.Who, err)
		return
	}
	ours := slices.DeleteFunc(found, func(x importer.Seen) bool {
		return !slices.ContainsFunc(s.seen, func(y importer.Seen) bool {
			return x.Facts.Server.SystemIdentifier == y.Facts.Server.SystemIdentifier
		})
	})
	if len(ours) == 0 {
		s.unread = append(s.unread, l.Who)
		s.sayf("Not read: %s: no server of the cluster runs on %s", l.Who, s.alias(l.Host))
	}
	s.add(ours)
}

func (s *surveyor) add(found []importer.Seen) { s.seen = append(s.seen, found...) }

// alias is how the user's ssh configuration calls an address.
func (s *surveyor) alias(address string) string {
	if name := s.sshAlias(s.way(&s.o.common), address); name != "" {
		return name
	}
	return address
}

// visit reads the servers that run on a host, or the one on the port.
func (s *surveyor) visit(ctx context.Context, p importer.Place) ([]importer.Seen, error) {
	s.looked[p.Host] = true
	survey, err := s.lookAround(ctx, s.way(&s.o.common), p, nil)
	if err != nil {
		return nil, err
	}
	var places []importer.Place
	for _, r := range survey.Servers {
		if p.Port == 0 || p.Port == r.Port {
			places = append(places, importer.Place{Host: p.Host, SSH: p.SSH, Port: r.Port, DataDir: r.DataDir})
		}
	}
	if len(places) == 0 {
		return nil, nil
	}
	live := s.connect(importer.Probe(places), s.way(&s.o.common))
	defer live.Close()
	inspected := live.Inspect(ctx, nil)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var found []importer.Seen
	for i, place := range places {
		n := inspected.Nodes[importer.ProbeName(i)]
		for _, e := range []*facts.ReadError{n.Error, n.ServerError} {
			if e != nil {
				return nil, fmt.Errorf("%s%s: %s\n%s", place.Host, onPort(place.Port), e.Text, e.Hint)
			}
		}
		if n.Server == nil {
			return nil, fmt.Errorf("%s%s: the server stopped while it was read", place.Host, onPort(place.Port))
		}
		found = append(found, importer.Seen{Host: p.Host, SSH: p.SSH, Addresses: survey.Addresses, Programs: survey.Programs, Port: place.Port, Facts: n})
	}
	return found, nil
}

// resolve asks every machine what it takes the names for by which servers are called.
func (s *surveyor) resolve(ctx context.Context) error {
	names := importer.HostNames(s.seen)
	if len(names) == 0 || len(s.seen) < 2 {
		return nil
	}
	var all sync.WaitGroup
	errs := make([]error, len(s.seen))
	for i := range s.seen {
		all.Go(func() {
			p := importer.Place{Host: s.seen[i].Host, SSH: s.seen[i].SSH}
			survey, err := s.lookAround(ctx, s.way(&s.o.common), p, names)
			if err != nil {
				errs[i] = err
				return
			}
			s.seen[i].Resolved = survey.Resolved
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
