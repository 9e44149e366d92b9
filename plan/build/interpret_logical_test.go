package build

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/topology"
)

// Statements about publications and subscriptions. A table copy is over at once.

// logical is the database that a statement runs in.
func (c call) logical() (*facts.Logical, error) {
	if l := c.n.Server.Logical[c.database]; l != nil {
		return l, nil
	}
	return nil, unknown{"logical replication in a database that is not read " + c.text}
}

// createPublication does CREATE PUBLICATION name [FOR members] [WITH (options)].
func createPublication(c call) error {
	l, err := c.logical()
	if err != nil {
		return err
	}
	if l.Publication(c.found[1]) != nil {
		return fmt.Errorf("publication %s exists", c.found[1])
	}
	p := facts.Publication{Publication: topology.Publication{Name: c.found[1], Database: c.database, Publish: []string{"insert", "update", "delete", "truncate"}}}
	members, options := c.found[2], ""
	if i := strings.LastIndex(members, " WITH ("); i >= 0 {
		members, options = members[:i], strings.TrimSuffix(members[i+len(" WITH ("):], ")")
	}
	switch members = strings.TrimPrefix(members, " FOR "); members {
	case "":
	case "ALL TABLES":
		p.AllTables = true
	default:
		if err := addMembers(&p, members); err != nil {
			return err
		}
	}
	if err := publicationOptions(&p, options); err != nil {
		return err
	}
	l.Publications = append(l.Publications, p)
	c.refilter(l)
	return nil
}

// topLevel cuts a list at its commas that stand in no parentheses and no quotes.
func topLevel(list string) []string {
	var all []string
	begin, depth, quote := 0, 0, byte(0)
	for i := 0; i < len(list); i++ {
		switch ch := list[i]; {
		case quote != 0:
			if ch == quote {
				quote = 0
			}
		case ch == '\'' || ch == '"':
			quote = ch
		case ch == '(':
			depth++
		case ch == ')':
			depth--
		case ch == ',' && depth == 0:
			all = append(all, strings.TrimSpace(list[begin:i]))
			begin = i + 1
		}
	}
	if rest := strings.TrimSpace(list[begin:]); rest != "" {
		all = append(all, rest)
	}
	return all
}

// memberPattern is a table with its columns and its row filter.
var memberPattern = regexp.MustCompile(`^(?:TABLE )?ONLY (` + ident + `\.` + ident + `)(?: \(([^()]*)\))?(?: WHERE \((.*)\))?$`)

// addMembers adds tables and schemas to a publication.
func addMembers(p *facts.Publication, list string) error {
	schemas := false
	for _, item := range topLevel(list) {
		if rest, is := strings.CutPrefix(item, "TABLES IN SCHEMA "); is || schemas && !strings.Contains(item, "ONLY ") {
			schemas = true
			if !is {
				rest = item
			}
			p.Schemas = append(p.Schemas, unquoted(rest))
			continue
		}
		found := memberPattern.FindStringSubmatch(item)
		if found == nil {
			return unknown{"member of a publication " + item}
		}
		name, err := topology.ParseTableName(found[1])
		if err != nil {
			return err
		}
		table := topology.PublishedTable{Table: name, Where: found[5]}
		for _, column := range topLevel(found[4]) {
			table.Columns = append(table.Columns, unquoted(column))
		}
		if slices.ContainsFunc(p.Tables, func(t topology.PublishedTable) bool { return t.Table == name }) {
			return fmt.Errorf("%s is a member already", name)
		}
		p.Tables = append(p.Tables, table)
	}
	slices.Sort(p.Schemas)
	slices.SortFunc(p.Tables, func(a, b topology.PublishedTable) int { return a.Table.Compare(b.Table) })
	return nil
}

func publicationOptions(p *facts.Publication, list string) error {
	for _, option := range topLevel(list) {
		name, value, _ := strings.Cut(option, " = ")
		switch value = unquoted(value); name {
		case "publish":
			p.Publish = strings.Split(value, ", ")
		case "publish_via_partition_root":
			p.ViaPartitionRoot = value == "true"
		case "publish_generated_columns":
			p.GeneratedColumns = value
		default:
			return unknown{"option of a publication " + name}
		}
	}
	return nil
}

// refilter has the next reading judge the wanted row filters.
func (c call) refilter(l *facts.Logical) {
	for _, wanted := range c.top.Publications {
		if wanted.Database != c.database || wanted.Cluster != c.top.Cluster(c.top.Node(c.n.Name)) {
			continue
		}
		l.Filters = remove(l.Filters, func(f facts.Filter) bool { return f.Publication == wanted.ID })
		found := l.Publication(wanted.Name)
		for _, t := range wanted.Tables {
			if t.Where == "" {
				continue
			}
			same := found != nil && slices.ContainsFunc(found.Tables, func(is topology.PublishedTable) bool { return is.Table == t.Table && is.Where == t.Where })
			l.Filters = append(l.Filters, facts.Filter{Publication: wanted.ID, Table: t.Table, Where: t.Where, Same: same})
		}
	}
}

func alterPublication(c call) error {
	l, err := c.logical()
	if err != nil {
		return err
	}
	p := l.Publication(c.found[1])
	if p == nil {
		return fmt.Errorf("publication %s does not exist", c.found[1])
	}
	defer c.refilter(l)
	verb, rest := c.found[2], c.found[3]
	switch {
	case verb == "ADD":
		return addMembers(p, rest)
	case verb == "DROP":
		var gone facts.Publication
		if err := addMembers(&gone, rest); err != nil {
			return err
		}
		p.Schemas = remove(p.Schemas, func(s string) bool { return slices.Contains(gone.Schemas, s) })
		p.Tables = remove(p.Tables, func(t topology.PublishedTable) bool {
			return slices.ContainsFunc(gone.Tables, func(g topology.PublishedTable) bool { return g.Table == t.Table })
		})
		return nil
	case verb == "SET" && strings.HasPrefix(rest, "("):
		return publicationOptions(p, strings.Trim(rest, "()"))
	case verb == "SET":
		p.Tables, p.Schemas = nil, nil
		return addMembers(p, rest)
	case verb == "OWNER TO":
		p.Owner = unquoted(rest)
		return nil
	}
	return unknown{"ALTER PUBLICATION " + verb + " " + rest}
}

func dropPublication(c call) error {
	l, err := c.logical()
	if err != nil {
		return err
	}
	l.Publications = remove(l.Publications, func(p facts.Publication) bool { return p.Name == c.found[1] })
	c.refilter(l)
	return nil
}

// subscription is that of the statement.
func (c call) subscription() (*facts.Logical, *facts.Subscription, error) {
	l, err := c.logical()
	if err != nil {
		return nil, nil, err
	}
	sub := l.Subscription(c.found[1])
	if sub == nil {
		return l, nil, fmt.Errorf("subscription %s does not exist", c.found[1])
	}
	return l, sub, nil
}

func alterSubscription(c call) error {
	_, sub, err := c.subscription()
	if err != nil {
		return err
	}
	verb, rest := c.found[2], c.found[3]
	switch verb {
	case "DISABLE", "ENABLE":
		if verb == "ENABLE" && sub.Options.SlotName == "" {
			return fmt.Errorf("subscription %s has no slot", sub.Name)
		}
		c.enable(sub, verb == "ENABLE")
	case "SET (":
		return c.subscriptionOptions(sub, strings.TrimSuffix(rest, ")"))
	case "CONNECTION ":
		on := sub.Options.Enabled
		c.enable(sub, false) // the worker starts again, elsewhere
		sub.ConnInfo = topology.NewSecret("", unquoted(rest))
		c.enable(sub, on)
	case "RENAME TO ":
		was := sub.Name
		sub.Name = unquoted(rest)
		for i := range c.n.Server.Applying {
			if a := &c.n.Server.Applying[i]; a.Database == c.database && a.Name == was {
				a.Name = sub.Name
			}
		}
	case "OWNER TO ":
		sub.Owner = unquoted(rest)
	case "SET PUBLICATION ":
		list, _, _ := strings.Cut(rest, " WITH ")
		sub.Publications = nil
		for _, name := range topLevel(list) {
			sub.Publications = append(sub.Publications, unquoted(name))
		}
	case "REFRESH PUBLICATION":
		return c.refresh(sub)
	default:
		return unknown{"ALTER SUBSCRIPTION " + verb}
	}
	return nil
}

// enable starts or ends the worker of a subscription.
func (c call) enable(sub *facts.Subscription, on bool) {
	sub.Options.Enabled, sub.Worker = on, nil
	server := c.n.Server
	server.Applying = remove(server.Applying, func(a facts.SubscriptionName) bool { return a.Database == c.database && a.Name == sub.Name })
	if on {
		sub.Worker = &facts.SubscriptionWorker{PID: 400}
		server.Applying = append(server.Applying, facts.SubscriptionName{Database: c.database, Name: sub.Name})
	}
	if up := c.publisher(sub); up != nil {
		if slot := up.Server.Slot(sub.Options.SlotName); slot != nil {
			slot.Active = on
		}
	}
}

// publisher is the node of the topology that a subscription connects to, or nil.
func (c call) publisher(sub *facts.Subscription) *facts.Node {
	return c.at(conninfo.Map(sub.ConnInfo.Reveal()))
}

func (c call) subscriptionOptions(sub *facts.Subscription, list string) error {
	for _, option := range topLevel(list) {
		name, value, _ := strings.Cut(option, " = ")
		value = unquoted(value)
		yes, o := value == "true", &sub.Options
		flags := map[string]**bool{
			"binary": &o.Binary, "two_phase": &o.TwoPhase, "disable_on_error": &o.DisableOnError,
			"password_required": &o.PasswordRequired, "run_as_owner": &o.RunAsOwner, "failover": &o.Failover,
		}
		if flag := flags[name]; flag != nil {
			*flag = &yes
		}
		switch name {
		case "slot_name":
			if sub.Options.Enabled {
				return fmt.Errorf("subscription %s is enabled", sub.Name)
			}
			if o.SlotName = value; value == "NONE" {
				o.SlotName = ""
			}
		case "streaming":
			o.Streaming = value
		case "origin":
			o.Origin = value
		case "failover":
			if up := c.publisher(sub); up != nil {
				if slot := up.Server.Slot(o.SlotName); slot != nil {
					slot.Failover = yes
				}
			}
		case "synchronous_commit":
			o.SynchronousCommit = value
		case "create_slot", "copy_data", "connect", "enabled", "binary", "two_phase", "disable_on_error", "password_required", "run_as_owner":
		default:
			return unknown{"option of a subscription " + name}
		}
	}
	return nil
}

// refresh copies the tables that are published and not subscribed to, and forgets the others.
func (c call) refresh(sub *facts.Subscription) error {
	up := c.publisher(sub)
	if up == nil {
		return unknown{"subscription to a publisher outside of the topology"}
	}
	source := up.Server.Logical[conninfo.Map(sub.ConnInfo.Reveal())["dbname"]]
	var names []topology.TableName
	for _, name := range sub.Publications {
		p := source.Publication(name)
		if p == nil {
			return fmt.Errorf("publication %s does not exist on %s", name, up.Name)
		}
		names = append(names, source.Published(&p.Publication)...)
	}
	slices.SortFunc(names, topology.TableName.Compare)
	sub.Tables = nil
	for _, name := range slices.Compact(names) {
		sub.Tables = append(sub.Tables, facts.SubscribedTable{Table: name, State: "r"})
	}
	return nil
}

// createSubscription does CREATE SUBSCRIPTION of one that has its slot.
func createSubscription(c call) error {
	l, err := c.logical()
	if err != nil {
		return err
	}
	if l.Subscription(c.found[1]) != nil {
		return fmt.Errorf("subscription %s exists", c.found[1])
	}
	c.oid++
	sub := facts.Subscription{Name: c.found[1], OID: c.oid, ConnInfo: topology.NewSecret("", c.found[2]), Options: topology.SubscriptionOptions{SlotName: c.found[1]}}
	for _, name := range topLevel(c.found[3]) {
		sub.Publications = append(sub.Publications, unquoted(name))
	}
	list := c.found[4]
	if err := c.subscriptionOptions(&sub, list); err != nil {
		return err
	}
	if slices.Contains(topLevel(list), "connect = false") {
		l.Subscriptions = append(l.Subscriptions, sub)
		return nil
	}
	up := c.publisher(&sub)
	if up == nil || up.Server.Slot(sub.Options.SlotName) == nil {
		return unknown{"CREATE SUBSCRIPTION of one whose slot is not in the topology"}
	}
	if err := c.refresh(&sub); err != nil {
		return err
	}
	c.enable(&sub, !slices.Contains(topLevel(list), "enabled = false"))
	l.Subscriptions = append(l.Subscriptions, sub)
	c.n.Server.SubscriptionOIDs = append(c.n.Server.SubscriptionOIDs, sub.OID)
	if !slices.Contains(c.n.Server.Subscribing, c.database) {
		c.n.Server.Subscribing = append(c.n.Server.Subscribing, c.database)
	}
	return nil
}

// dropSubscription drops its slot as well, where it has one.
func dropSubscription(c call) error {
	l, sub, err := c.subscription()
	if err != nil {
		return err
	}
	slot, up := sub.Options.SlotName, c.publisher(sub)
	c.enable(sub, false)
	if slot != "" && up == nil {
		return fmt.Errorf("the publisher of subscription %s cannot be reached, and it has a slot there", sub.Name)
	}
	if slot != "" {
		up.Server.Slots = remove(up.Server.Slots, func(s facts.Slot) bool { return s.Name == slot })
	}
	l.Subscriptions = remove(l.Subscriptions, func(s facts.Subscription) bool { return s.Name == c.found[1] })
	if len(l.Subscriptions) == 0 {
		c.n.Server.Subscribing = remove(c.n.Server.Subscribing, func(d string) bool { return d == c.database })
	}
	return nil
}

// applies reports whether a subscription is enabled, whose name the query asks of.
func applies(n *facts.Node, found []string, _ string) bool {
	for _, l := range n.Server.Logical {
		if sub := l.Subscription(found[1]); sub != nil {
			return sub.Options.Enabled
		}
	}
	return false
}

// sends reports whether somebody reads from a slot.
func sends(n *facts.Node, found []string, _ string) bool {
	slot := n.Server.Slot(found[1])
	return slot != nil && slot.Active
}

// defined takes away the definitions of which every table is there.
func defined(l *facts.Logical) {
	for id, d := range l.Definitions {
		lacks := false
		for _, found := range regexp.MustCompile(`CREATE TABLE (`+ident+`\.`+ident+`)`).FindAllStringSubmatch(d.SQL, -1) {
			name, err := topology.ParseTableName(found[1])
			lacks = lacks || err != nil || l.Table(name) == nil
		}
		if !lacks {
			delete(l.Definitions, id)
		}
	}
}

// defines has the next reading find the definition of a new table for those that subscribe to it
// here and lack it.
func (c call) defines(name topology.TableName) {
	for _, sub := range c.top.Subscriptions {
		from := sub.Publisher()
		if from == nil || from != c.top.Cluster(c.top.Node(c.n.Name)) || sub.SourceDatabase() != c.database {
			continue
		}
		l := c.f.Nodes[sub.Cluster.Primary.Name].Server.Logical[sub.Database]
		if l == nil || l.Table(name) != nil {
			continue
		}
		if l.Definitions == nil {
			l.Definitions = map[string]facts.Definition{}
		}
		if l.Definitions[sub.ID].SQL == "" {
			l.Definitions[sub.ID] = facts.Definition{SQL: c.text + ";"}
		}
	}
}

// createTable has the next reading see a table, as the publisher has it.
func createTable(c call) error {
	if strings.HasPrefix(c.found[1], "repltool.") {
		return nil // the ledger
	}
	l, err := c.logical()
	if err != nil {
		return err
	}
	name, err := topology.ParseTableName(c.found[1])
	if err != nil {
		return err
	}
	for _, n := range c.nodes() {
		if n.Server == nil || n == c.n {
			continue
		}
		for _, source := range n.Server.Logical {
			if table := source.Table(name); table != nil {
				t := copied(table)
				t.Rows = false
				l.Tables = append(l.Tables, *t)
				slices.SortFunc(l.Tables, func(a, b facts.Table) int { return a.Table.Compare(b.Table) })
				defined(l)
				c.defines(name)
				return nil
			}
		}
	}
	return unknown{"CREATE TABLE of one that no publisher has"}
}
