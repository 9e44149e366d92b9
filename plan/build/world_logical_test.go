package build

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// fillLogical gives every primary the publications, subscriptions and tables that
// the topology names.
func fillLogical(t testing.TB, top *topology.Topology, f facts.Facts) {
	t.Helper()
	for _, p := range top.Publications {
		db := logicalOf(f, p.Cluster, p.Database)
		found := facts.Publication{Publication: *p}
		found.Tables, found.Publish, found.Schemas = slices.Clone(p.Tables), slices.Clone(p.Publish), slices.Clone(p.Schemas)
		db.Publications = append(db.Publications, found)
		for _, pt := range p.Tables {
			addTable(db, pt.Table, pt.Columns)
			if pt.Where != "" {
				db.Filters = append(db.Filters, facts.Filter{Publication: p.ID, Table: pt.Table, Where: pt.Where, Same: true})
			}
		}
	}
	for _, sub := range top.Subscriptions {
		fillSubscription(t, top, f, sub)
	}
}

func logicalOf(f facts.Facts, c *topology.Cluster, database string) *facts.Logical {
	server := f.Nodes[c.Primary.Name].Server
	if server.Logical == nil {
		server.Logical = map[string]*facts.Logical{}
	}
	if server.Logical[database] == nil {
		server.Logical[database] = &facts.Logical{Access: map[string]facts.Access{}}
	}
	return server.Logical[database]
}

func addTable(db *facts.Logical, name topology.TableName, columns []string) {
	if db.Table(name) != nil {
		return
	}
	table := facts.Table{
		Table: name, Kind: "r", Persistent: true, Identity: "d", IdentityColumns: []string{"id"}, Bytes: 3 << 20,
		Columns: []facts.Column{{Name: "id", Type: "bigint", NotNull: true}, {Name: "customer_id", Type: "bigint"}, {Name: "total", Type: "numeric"}},
	}
	for _, c := range columns {
		if !cluster.HasColumn(&table, c) {
			table.Columns = append(table.Columns, facts.Column{Name: c, Type: "text"})
		}
	}
	db.Tables = append(db.Tables, table)
}

func fillSubscription(t testing.TB, top *topology.Topology, f facts.Facts, sub *topology.Subscription) {
	t.Helper()
	s := cluster.New(top, f, cluster.Options{}).Of(sub.Cluster)
	db := logicalOf(f, sub.Cluster, sub.Database)
	found := facts.Subscription{Name: sub.Name, Publications: sub.Names(), Options: cloneOptions(sub.Options)}
	if c := sub.Publisher(); c != nil {
		source := logicalOf(f, c, sub.SourceDatabase())
		access := source.Access[sub.Role.Name]
		access.Connect = true
		for _, table := range source.Tables {
			access.Schemas, access.Tables = append(access.Schemas, table.Table.Schema), append(access.Tables, table.Table)
			if db.Table(table.Table) == nil {
				table.Columns = slices.Clone(table.Columns)
				db.Tables = append(db.Tables, table)
			}
		}
		source.Access[sub.Role.Name] = access
	}
	v, _ := s.SubscriptionOf(sub)
	for _, name := range v.PublishedTables() {
		found.Tables = append(found.Tables, facts.SubscribedTable{Table: name, State: "r"})
	}
	found.ConnInfo = topology.NewSecret("", pg.FormatConnInfo(v.Conn()))
	found.Worker = &facts.SubscriptionWorker{PID: 400}
	db.Subscriptions = append(db.Subscriptions, found)
	if sub.Options.Enabled {
		server := f.Nodes[sub.Cluster.Primary.Name].Server
		server.Applying = append(server.Applying, facts.SubscriptionName{Database: sub.Database, Name: sub.Name})
	}
	text, err := s.SubscriptionPasswords().Fill(func(u plan.SecretUse) (string, error) { return conninfo.PassField(top.Secrets[u.Ref].Reveal()), nil })
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range sub.Cluster.Members() {
		h := f.Nodes[n.Name].Host
		h.SubscriptionPassfile.Exists, h.SubscriptionPassfile.Mode, h.SubscriptionPassfile.Text = text != "", 0o600, topology.NewSecret("", cluster.Marked(h.DataDir, text))
	}
}

// cloneOptions: what a directive changes is the world, not the topology.
func cloneOptions(o topology.SubscriptionOptions) topology.SubscriptionOptions {
	for _, p := range []**bool{&o.Binary, &o.TwoPhase, &o.DisableOnError, &o.PasswordRequired, &o.RunAsOwner, &o.Failover} {
		if *p != nil {
			value := **p
			*p = &value
		}
	}
	return o
}

// alterLogical changes what a database holds: NODE WORD DATABASE REST.
func alterLogical(t testing.TB, node *facts.Node, words []string, rest, directive string) {
	t.Helper()
	if len(words) < 2 || node.Server == nil {
		t.Fatalf("unknown directive %q", directive)
	}
	if node.Server.Logical == nil {
		node.Server.Logical = map[string]*facts.Logical{}
	}
	if node.Server.Logical[words[1]] == nil {
		node.Server.Logical[words[1]] = &facts.Logical{Access: map[string]facts.Access{}}
	}
	db := node.Server.Logical[words[1]]
	name := topology.TableName{}
	switch words[0] {
	case "logical": // it is there and read
		return
	case "closed": // PUBLIC has no CONNECT
		db.Closed = true
		return
	}
	if n, err := topology.ParseTableName(words[2]); err == nil {
		name = n
	}
	text := rest[strings.Index(rest, words[1])+len(words[1])+1:]
	switch words[0] {
	case "no-publication":
		db.Publications = remove(db.Publications, func(p facts.Publication) bool { return p.Name == words[2] })
	case "publication":
		merge(t, directive, text, &db.Publications, func(p facts.Publication) string { return p.Name })
	case "applying":
		node.Server.Applying = append(node.Server.Applying, facts.SubscriptionName{Database: words[1], Name: words[2]})
	case "no-subscription":
		node.Server.Applying = remove(node.Server.Applying, func(s facts.SubscriptionName) bool { return s.Name == words[2] })
		db.Subscriptions = remove(db.Subscriptions, func(s facts.Subscription) bool { return s.Name == words[2] })
	case "subscription":
		merge(t, directive, text, &db.Subscriptions, func(s facts.Subscription) string { return s.Name })
	case "conninfo-of":
		db.Subscription(words[2]).ConnInfo = topology.NewSecret("", strings.TrimSpace(strings.TrimPrefix(text, words[2])))
	case "lacked-schema":
		db.LackedSchemas = append(db.LackedSchemas, words[2])
	case "no-table":
		db.Tables = remove(db.Tables, func(t facts.Table) bool { return t.Table == name })
	case "table":
		addTable(db, name, nil)
		if len(words) > 3 {
			decodeInto(t, directive, strings.TrimPrefix(text, words[2]), db.Table(name))
		}
	case "subscribed":
		sub := db.Subscription(words[2])
		table, err := topology.ParseTableName(words[3])
		if err != nil {
			t.Fatal(err)
		}
		sub.Tables = append(sub.Tables, facts.SubscribedTable{Table: table, State: "r"})
	case "access":
		access := db.Access[words[2]]
		decodeInto(t, directive, strings.TrimPrefix(text, words[2]), &access)
		db.Access[words[2]] = access
	case "unknown":
		decodeInto(t, directive, text, &db.Unknown)
	case "no-access":
		delete(db.Access, words[2])
	case "filter":
		var f facts.Filter
		decodeInto(t, directive, text, &f)
		db.Filters = append(remove(db.Filters, func(o facts.Filter) bool { return o.Table == f.Table }), f)
	case "overlap":
		var o facts.Overlap
		decodeInto(t, directive, text, &o)
		db.Overlaps = append(db.Overlaps, o)
	case "definition":
		id, sql, _ := strings.Cut(text, " ")
		if db.Definitions == nil {
			db.Definitions = map[string]facts.Definition{}
		}
		db.Definitions[id] = facts.Definition{SQL: sql}
	default:
		t.Fatalf("unknown directive %q", directive)
	}
}

// merge puts an object of JSON over the one of its name, or adds it.
func merge[T any](t testing.TB, directive, text string, list *[]T, name func(T) string) {
	t.Helper()
	var fresh T
	decodeInto(t, directive, text, &fresh)
	i := slices.IndexFunc(*list, func(x T) bool { return name(x) == name(fresh) })
	if i < 0 {
		*list = append(*list, fresh)
		return
	}
	decodeInto(t, directive, text, &(*list)[i])
}

// decodeInto puts what the JSON names over what is there; a list is replaced whole.
func decodeInto(t testing.TB, directive, text string, to any) {
	t.Helper()
	var given map[string]any
	if err := json.Unmarshal([]byte(text), &given); err != nil {
		t.Fatalf("directive %q: %v", directive, err)
	}
	for name := range given {
		if field := reflect.ValueOf(to).Elem().FieldByName(name); field.Kind() == reflect.Slice {
			field.SetZero()
		}
	}
	if err := json.Unmarshal([]byte(text), to); err != nil {
		t.Fatalf("directive %q: %v", directive, err)
	}
}

// twoClusters is a publisher and a subscriber, the latter with what else is in it.
func twoClusters(warehouse string) string {
	return `
node "pg1" { host = "10.0.0.1" }
node "dw1" { host = "10.0.1.2" }
cluster "orders" {
  primary    = node.pg1
  parameters = { wal_level = "logical" }
  role "replicator" {
    replication = true
    password    = env("PW")
  }
  database "shop" {}
}
cluster "warehouse" {
  primary = node.dw1
  database "dw" {}
` + warehouse + `}
`
}
