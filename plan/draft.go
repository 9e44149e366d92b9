package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/topology"
)

// draft is a change in the making.
type draft struct {
	Change
	Address  topology.Address
	requires []topology.Address // of after, what changes too
	steps    []Step
	after    []topology.Address // addresses that come first, where they change at all
	// closedBy is the address of the change that ends what this one begins, such as a
	// relaxed synchronous set: a target that brings this one brings that one too.
	closedBy topology.Address
	// brings are addresses that a target must not leave out where this is planned.
	brings []topology.Address
	// told are the diagnostics of the change: they count where it is planned.
	told     hcl.Diagnostics
	restarts []string // nodes that go down and come back
	copies   []Copy
}

func newDraft(action Action, address topology.Address, nodes ...*topology.Node) *draft {
	d := &draft{Change: Change{Action: action, Impact: Online}, Address: address}
	for _, n := range nodes {
		d.Nodes = append(d.Nodes, n.Name)
	}
	return d
}

// worsen raises the impact to i if that is graver.
func (d *draft) worsen(i Impact) {
	if i.rank() > d.Impact.rank() {
		d.Impact = i
	}
}

// differ notes one difference; pointers are nil where the attribute is absent. Two equal
// values are none, but for secrets, which look alike.
func (d *draft) differ(name string, before, after *string, note string) {
	if before != nil && after != nil && *before == *after && *before != topology.Redacted {
		return
	}
	d.Attributes = append(d.Attributes, Attribute{Name: name, Before: before, After: after, Note: note})
}

// changes tells whether an attribute differs whose name begins so.
func (d *draft) changes(prefix string) bool {
	return slices.ContainsFunc(d.Attributes, func(a Attribute) bool { return strings.HasPrefix(a.Name, prefix) })
}

func (d *draft) step(node *topology.Node, why string, op Op) {
	d.steps = append(d.steps, Step{Node: node.Name, Why: why, Op: op})
}

// sql adds statements that belong to no database.
func (d *draft) sql(node *topology.Node, why string, statements ...string) {
	d.sqlIn(node, maintenance, why, statements...)
}

// sqlIn adds statements that run in that database as one transaction.
func (d *draft) sqlIn(node *topology.Node, database, why string, statements ...string) {
	d.step(node, why, SQL{Database: database, SQL: Text{Text: strings.Join(statements, "\n")}})
}

// texts adds statements, of which some hold secrets, as one transaction.
func (d *draft) texts(node *topology.Node, database, why string, statements ...Text) {
	var b textBuilder
	for _, s := range statements {
		b.append(s)
	}
	d.step(node, why, SQL{Database: database, SQL: b.done()})
}

// wait adds a wait for a query that must become true.
func (d *draft) wait(node *topology.Node, what, query string, timeout time.Duration) {
	d.step(node, what, Wait{Database: maintenance, Query: query, What: what, Timeout: timeout})
}

// command adds a program that ends by itself.
func (d *draft) command(node *topology.Node, why string, argv ...string) {
	d.step(node, why, Command{Argv: argv, Timeout: commandTimeout})
}

// remove adds the removal of files and directories that may not be there.
func (d *draft) remove(node *topology.Node, why string, paths ...string) {
	d.command(node, why, append([]string{"rm", "-rf", "--"}, paths...)...)
}

// Time limits. A step that needs longer is a Job, which has none.
const (
	commandTimeout = 10 * time.Minute // a start may replay much WAL
	acceptTimeout  = 10 * time.Minute
	streamTimeout  = 10 * time.Minute
	settleTimeout  = 30 * time.Second // a reload reaching every process
)

func stepID(address string, i int) string { return fmt.Sprintf("%s#%d", address, i+1) }

// finish answers the change with what follows from its parts.
func (d *draft) finish() Change {
	c := d.Change
	c.Address, c.Requires = d.Address.String(), texts(d.requires)
	c.Before, c.After = map[string]string{}, map[string]string{}
	for _, a := range c.Attributes {
		if a.Before != nil {
			c.Before[a.Name] = *a.Before
		}
		if a.After != nil {
			c.After[a.Name] = *a.After
		}
	}
	c.Nodes = notNil(c.Nodes)
	for _, s := range d.steps {
		if !slices.Contains(c.Nodes, s.Node) {
			c.Nodes = append(c.Nodes, s.Node)
		}
	}
	slices.Sort(c.Requires)
	c.Requires = notNil(c.Requires)
	return c
}

func ptr(s string) *string { return &s }
