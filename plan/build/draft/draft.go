// Package draft makes changes: a draft is a change in the making, with its steps, and
// findings are what the kinds have found.
package draft

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// Draft is a change in the making.
type Draft struct {
	plan.Change
	Address topology.Address
	Steps   []plan.Step
	// Needs are addresses of what must have been done, where it changes at all: a target
	// brings it. After are those that only come first, such as the restart of another node.
	Needs, After    []topology.Address
	needs, requires []topology.Address // of Needs, and of both, what changes too
	// Closer is the address of the change that ends what this one begins, such as a
	// relaxed synchronous set: a target that brings this one brings that one too.
	Closer topology.Address
	// Brings are addresses that a target must not leave out where this is planned.
	Brings []topology.Address
	// Diags are the diagnostics of the change: they count only if it is planned.
	Diags hcl.Diagnostics
	// Adopts reports whether the change only leaves a mark of ownership: what is in force stays
	// as it is.
	Adopts   bool
	Restarts []string // nodes that go down and come back
	Copies   []plan.Copy
}

func NewDraft(action plan.Action, address topology.Address, nodes ...*topology.Node) *Draft {
	d := &Draft{Change: plan.Change{Action: action, Impact: plan.Online}, Address: address}
	for _, n := range nodes {
		d.Nodes = append(d.Nodes, n.Name)
	}
	return d
}

// Worsen raises the impact to i if that is graver.
func (d *Draft) Worsen(i plan.Impact) {
	if i.Rank() > d.Impact.Rank() {
		d.Impact = i
	}
}

// Differ notes one difference; pointers are nil where the attribute is absent. Two equal
// values are none, but for secrets, which look alike.
func (d *Draft) Differ(name string, before, after *string, note string) {
	if before != nil && after != nil && *before == *after && *before != topology.Redacted {
		return
	}
	d.Attributes = append(d.Attributes, plan.Attribute{Name: name, Before: before, After: after, Note: note})
}

// Changes reports whether an attribute differs whose name begins so.
func (d *Draft) Changes(prefix string) bool {
	return slices.ContainsFunc(d.Attributes, func(a plan.Attribute) bool { return strings.HasPrefix(a.Name, prefix) })
}

func (d *Draft) Step(node *topology.Node, why string, op plan.Op) {
	d.Steps = append(d.Steps, plan.Step{Node: node.Name, Why: why, Op: op})
}

// SQL adds statements that belong to no database.
func (d *Draft) SQL(node *topology.Node, why string, statements ...string) {
	d.SQLIn(node, pg.Maintenance, why, statements...)
}

// SQLIn adds statements that run in that database as one transaction.
func (d *Draft) SQLIn(node *topology.Node, database, why string, statements ...string) {
	d.Step(node, why, plan.SQL{Database: database, SQL: plan.Text{Text: strings.Join(statements, "\n")}})
}

// Texts adds statements, of which some hold secrets, as one transaction.
func (d *Draft) Texts(node *topology.Node, database, why string, statements ...plan.Text) {
	var b plan.TextBuilder
	for _, s := range statements {
		b.Append(s)
	}
	d.Step(node, why, plan.SQL{Database: database, SQL: b.Done()})
}

// Wait adds a wait for a query that must become true.
func (d *Draft) Wait(node *topology.Node, what, query string, timeout time.Duration) {
	d.Step(node, what, plan.Wait{Database: pg.Maintenance, Query: query, What: what, Timeout: timeout})
}

// Command adds a program that ends by itself.
func (d *Draft) Command(node *topology.Node, why string, argv ...string) {
	d.Step(node, why, plan.Command{Argv: argv, Timeout: commandTimeout})
}

// Remove adds the removal of files and directories that may not be there.
func (d *Draft) Remove(node *topology.Node, why string, paths ...string) {
	d.Command(node, why, append([]string{"rm", "-rf", "--"}, paths...)...)
}

// Time limits. A step that needs longer is a Job, which has none.
const (
	commandTimeout = 10 * time.Minute // a start may replay much WAL
	acceptTimeout  = 10 * time.Minute
	StreamTimeout  = 10 * time.Minute
	SettleTimeout  = 30 * time.Second // a reload reaching every process
)

// TakesBack adds to the way back what takes back the steps from the one with that index on; it
// runs before what was added earlier.
func (d *Draft) TakesBack(from int, add func(back *Draft)) {
	back := &Draft{}
	add(back)
	for i := range back.Steps {
		back.Steps[i].Undoes = StepID(d.Address.String(), from)
	}
	d.Undo = append(back.Steps, d.Undo...)
}

func StepID(address string, i int) string { return fmt.Sprintf("%s#%d", address, i+1) }

// Finish returns the change with what follows from its parts.
func (d *Draft) Finish() plan.Change {
	c := d.Change
	c.Address, c.Requires, c.Needs = d.Address.String(), cluster.Texts(d.requires), cluster.Texts(d.needs)
	if !d.Closer.IsZero() {
		c.Closer = d.Closer.String()
	}
	for i := range c.Undo {
		c.Undo[i].ID, c.Undo[i].Address = fmt.Sprintf("%s#undo%d", c.Address, i+1), c.Address
	}
	c.Before, c.After = map[string]string{}, map[string]string{}
	for _, a := range c.Attributes {
		if a.Before != nil {
			c.Before[a.Name] = *a.Before
		}
		if a.After != nil {
			c.After[a.Name] = *a.After
		}
	}
	c.Nodes = plan.NotNil(c.Nodes)
	for _, s := range d.Steps {
		if !slices.Contains(c.Nodes, s.Node) {
			c.Nodes = append(c.Nodes, s.Node)
		}
	}
	slices.Sort(c.Requires)
	slices.Sort(c.Needs)
	c.Requires, c.Needs = plan.NotNil(c.Requires), plan.NotNil(c.Needs)
	return c
}

// Alter adds the statements if there are any.
func (d *Draft) Alter(n *topology.Node, t plan.Text) {
	if t.Text != "" {
		d.Step(n, "alter", plan.SQL{Database: pg.Maintenance, SQL: t})
	}
}

// Reload makes the server read its files.
func (d *Draft) Reload(n *topology.Node) { d.SQL(n, "reload", "SELECT pg_reload_conf();") }

// MarkRecreated marks the creation of something that is gone.
func (d *Draft) MarkRecreated(l cluster.Loss) {
	if l.Was == "" {
		return
	}
	d.Recreates = true
	d.Effect = pg.Join(d.Effect, "recreates a missing object")
	d.Reason = l.Was + ", and it no longer exists: " + l.Cost
}

// MarkRepublished marks a change that publishes again what left a publication by hand.
func (d *Draft) MarkRepublished(l cluster.Loss) {
	if l.Was == "" {
		return
	}
	d.Recreates = true
	d.Effect = pg.Join(d.Effect, "publishes again what left the publication")
	d.Reason = l.Was + ": " + l.Cost
}
