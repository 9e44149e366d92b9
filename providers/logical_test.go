package providers

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pgtest"
	"github.com/repltool/repltool/providers/host"
	"github.com/repltool/repltool/providers/postgres"
	"github.com/repltool/repltool/topology"
)

// shop is a publisher and a subscriber of one publication.
type shop struct {
	source, target *pgtest.Server
	top            *topology.Topology
	publication    *topology.Publication
	subscription   *topology.Subscription
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{source: logicalServer(t), target: logicalServer(t)}
	one, two := single(node("pg1", s.source)), single(node("dw1", s.target))
	two.Clusters[0].Name, two.Clusters[0].ID = "dw", "cluster.dw"
	s.publication = &topology.Publication{ID: "publication.p", Name: "p", Cluster: one.Clusters[0], Database: "postgres", Publish: topology.Operations()}
	s.subscription = &topology.Subscription{
		ID: "subscription.s", Name: "s", Cluster: two.Clusters[0], Database: "postgres", Publications: []*topology.Publication{s.publication},
		Role: &topology.Role{Name: s.source.User}, CopyData: true, Options: topology.SubscriptionOptions{Enabled: true, SlotName: "s"},
	}
	s.top = &topology.Topology{
		Nodes: append(one.Nodes, two.Nodes...), Clusters: append(one.Clusters, two.Clusters...),
		Publications: []*topology.Publication{s.publication}, Subscriptions: []*topology.Subscription{s.subscription},
	}
	return s
}

func logicalServer(t *testing.T) *pgtest.Server {
	return pgtest.Start(t, pgtest.Options{Fresh: true, Conf: []string{"wal_level = logical"}})
}

func (s *shop) publish(names ...string) {
	s.publication.Tables = nil
	for _, n := range names {
		s.publication.Tables = append(s.publication.Tables, topology.PublishedTable{Table: topology.TableName{Schema: "public", Name: n}})
	}
}

// read returns both sides, which were read without an error.
func (s *shop) read(t *testing.T) (source, target *facts.Logical) {
	t.Helper()
	f := open(t, s.top, nil).Inspect(t.Context(), InspectOptions{})
	for _, name := range []string{"pg1", "dw1"} {
		if n := f.Nodes[name]; !n.Complete() || n.Server == nil {
			t.Fatalf("%s: %v %v", name, n.Error, n.ServerError)
		}
	}
	source, target = f.Nodes["pg1"].Server.Logical["postgres"], f.Nodes["dw1"].Server.Logical["postgres"]
	for _, l := range []*facts.Logical{source, target} {
		if l == nil || l.Error != nil {
			t.Fatalf("logical %+v", l)
		}
	}
	return source, target
}

// The databases are read beside the server; what is yet to be copied costs one session
// more, and what is copied nothing.
func TestLogicalRoundTrips(t *testing.T) {
	s := newShop(t)
	s.publish("a")
	for _, server := range []*pgtest.Server{s.source, s.target} {
		server.Query(t, "CREATE TABLE a (id int PRIMARY KEY)")
	}
	measure := func() string {
		var runs, dials, writes atomic.Int64
		s.readWith(t, func(c host.Conn) host.Conn { return counting{c, &runs, &dials, &writes} })
		return fmt.Sprintf("%d commands, %d sessions, %d writes", runs.Load(), dials.Load(), writes.Load())
	}
	if got := measure(); got != "2 commands, 5 sessions, 15 writes" {
		t.Errorf("with a table to copy: %s", got)
	}
	s.target.Query(t, "INSERT INTO a VALUES (1)")
	if got := measure(); got != "2 commands, 5 sessions, 16 writes" {
		t.Errorf("with a table to copy that has rows: %s", got)
	}
	s.source.Query(t, "CREATE PUBLICATION p FOR TABLE a")
	s.target.Query(t, fmt.Sprintf("CREATE SUBSCRIPTION s CONNECTION 'host=%s port=%d user=%s dbname=postgres' PUBLICATION p WITH (copy_data = false)", s.source.SocketDir, s.source.Port, s.source.User))
	if got := measure(); got != "2 commands, 4 sessions, 12 writes" {
		t.Errorf("with nothing to copy: %s", got)
	}
	s.target.Query(t, "ALTER SUBSCRIPTION s DISABLE")
	s.target.Query(t, "ALTER SUBSCRIPTION s SET (slot_name = NONE)")
}

func (s *shop) readWith(t *testing.T, wrap func(host.Conn) host.Conn) {
	t.Helper()
	f := open(t, s.top, wrap).Inspect(t.Context(), InspectOptions{})
	for name, n := range f.Nodes {
		if !n.Complete() || n.Server == nil || n.Server.Logical["postgres"] == nil {
			t.Fatalf("%s: %v %v", name, n.Error, n.ServerError)
		}
	}
}

// Partitions of the publisher that are tables of their own on the subscriber.
func TestPartitionsOfThePublisher(t *testing.T) {
	s := newShop(t)
	s.publish("p")
	s.source.Query(t, `CREATE SCHEMA parts; CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id);
		CREATE TABLE parts.p1 PARTITION OF p FOR VALUES FROM (1) TO (10) PARTITION BY LIST (id); CREATE TABLE parts.p1a PARTITION OF parts.p1 DEFAULT;
		CREATE TABLE parts.p2 PARTITION OF p FOR VALUES FROM (10) TO (20)`)
	s.target.Query(t, "CREATE SCHEMA parts; CREATE TABLE parts.p1a (id int PRIMARY KEY); INSERT INTO parts.p1a VALUES (3); CREATE TABLE unrelated (id int)")
	source, target := s.read(t)
	leaf := topology.TableName{Schema: "parts", Name: "p1a"}
	want := []topology.TableName{leaf, {Schema: "parts", Name: "p2"}}
	if d := cmp.Diff(want, source.Published(s.publication)); d != "" {
		t.Error(d)
	}
	if len(target.Tables) != 1 || target.Tables[0].Table != leaf || !target.Tables[0].Rows {
		t.Errorf("%+v", target.Tables)
	}
	s.publication.ViaPartitionRoot = true
	if got := source.Published(s.publication); !slices.Equal(got, []topology.TableName{{Schema: "public", Name: "p"}}) {
		t.Errorf("through the root: %v", got)
	}
	s.publication.Tables[0].Table = topology.TableName{Schema: "parts", Name: "p1"} // neither root nor leaf
	if got := source.Published(s.publication); !slices.Equal(got, []topology.TableName{{Schema: "parts", Name: "p1"}}) {
		t.Errorf("through the middle: %v", got)
	}
	s.publication.ViaPartitionRoot = false
	if got := source.Published(s.publication); !slices.Equal(got, []topology.TableName{leaf}) {
		t.Errorf("the leaves of the middle: %v", got)
	}
}

// What the server itself says is published is what is said here.
func TestPublishedAsTheServerSays(t *testing.T) {
	s := newShop(t)
	s.source.Query(t, `CREATE SCHEMA x; CREATE SCHEMA y; CREATE TABLE x.plain (id int PRIMARY KEY); CREATE UNLOGGED TABLE x.unlogged (id int); CREATE VIEW x.v AS SELECT 1;
		CREATE TABLE x.p (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE y.p1 PARTITION OF x.p FOR VALUES FROM (1) TO (9) PARTITION BY LIST (id);
		CREATE TABLE x.p1a PARTITION OF y.p1 DEFAULT; CREATE TABLE y.p2 PARTITION OF x.p FOR VALUES FROM (10) TO (19); CREATE TABLE y.none (id int PRIMARY KEY) PARTITION BY LIST (id)`)
	table := func(schema, name string) topology.PublishedTable {
		return topology.PublishedTable{Table: topology.TableName{Schema: schema, Name: name}}
	}
	for _, c := range []struct {
		sql string
		p   topology.Publication
	}{
		{"FOR ALL TABLES", topology.Publication{AllTables: true}},
		{"FOR TABLES IN SCHEMA x", topology.Publication{Schemas: []string{"x"}}},
		{"FOR TABLES IN SCHEMA y", topology.Publication{Schemas: []string{"y"}}},
		{"FOR TABLES IN SCHEMA x, y", topology.Publication{Schemas: []string{"x", "y"}}},
		{"FOR TABLE x.p", topology.Publication{Tables: []topology.PublishedTable{table("x", "p")}}},
		{"FOR TABLE y.p1, x.plain", topology.Publication{Tables: []topology.PublishedTable{table("x", "plain"), table("y", "p1")}}},
		{"FOR TABLE x.p1a", topology.Publication{Tables: []topology.PublishedTable{table("x", "p1a")}}},
		{"FOR TABLE x.p, y.p1", topology.Publication{Tables: []topology.PublishedTable{table("x", "p"), table("y", "p1")}}},
		{"FOR TABLE y.none", topology.Publication{Tables: []topology.PublishedTable{table("y", "none")}}},
		{"FOR TABLE y.p1, TABLES IN SCHEMA x", topology.Publication{Schemas: []string{"x"}, Tables: []topology.PublishedTable{table("y", "p1")}}},
	} {
		for _, via := range []bool{false, true} {
			p := c.p
			p.ID, p.Name, p.Cluster, p.Database, p.Publish, p.ViaPartitionRoot = "publication.p", "p", s.publication.Cluster, "postgres", topology.Operations(), via
			s.top.Publications = []*topology.Publication{&p}
			s.subscription.Publications = s.top.Publications
			s.source.Query(t, fmt.Sprintf("DROP PUBLICATION IF EXISTS p; CREATE PUBLICATION p %s WITH (publish_via_partition_root = %t)", c.sql, via))
			var want []string
			for _, row := range s.source.Query(t, `SELECT schemaname || '.' || tablename FROM pg_publication_tables ORDER BY schemaname COLLATE "C", tablename COLLATE "C"`) {
				want = append(want, row[0])
			}
			source, _ := s.read(t)
			for _, of := range []*topology.Publication{&p, &source.Publication("p").Publication} { // wanted and found
				var got []string
				for _, name := range source.Published(of) {
					got = append(got, name.String())
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s, via root %t:\n got %q\nwant %q", c.sql, via, got, want)
				}
			}
		}
	}
}

// A database that is not there has no entry; one that cannot be read says why.
func TestLogicalDatabases(t *testing.T) {
	s := newShop(t)
	s.publish("a")
	s.target.Query(t, "CREATE DATABASE closed ALLOW_CONNECTIONS false")
	s.publication.Database, s.subscription.Database = "nowhere", "closed"
	f := open(t, s.top, nil).Inspect(t.Context(), InspectOptions{})
	if l, there := f.Nodes["pg1"].Server.Logical["nowhere"]; there {
		t.Errorf("%+v", l)
	}
	if l := f.Nodes["dw1"].Server.Logical["closed"]; l == nil || l.Error == nil {
		t.Errorf("%+v", l)
	}
}

// What repltool made and the topology no longer has is read by the ledger.
func TestLogicalLetGo(t *testing.T) {
	s := logicalServer(t)
	s.Query(t, "CREATE SCHEMA repltool; CREATE TABLE repltool.managed (address text PRIMARY KEY, object text NOT NULL, since timestamptz NOT NULL DEFAULT now())")
	s.Query(t, `INSERT INTO repltool.managed VALUES ('a', 'publication "my.shop".p'), ('b', 'subscription gone.s')`)
	s.Query(t, `CREATE DATABASE "my.shop"`)
	found := mustRead(t, open(t, single(node("pg1", s)), nil)).Logical
	if found["my.shop"] == nil || found["my.shop"].Error != nil || len(found) != 1 {
		t.Errorf("%+v", found)
	}

	// A subscription that neither the topology nor the ledger knows is seen as well.
	s.Query(t, "CREATE SUBSCRIPTION stray CONNECTION 'host=nowhere' PUBLICATION p WITH (connect = false)")
	found = mustRead(t, open(t, single(node("pg1", s)), nil)).Logical
	if found["postgres"].Subscription("stray") == nil {
		t.Errorf("%+v", found)
	}
	s.Query(t, "ALTER SUBSCRIPTION stray SET (slot_name = NONE)")
	s.Query(t, "DROP SUBSCRIPTION stray")
}

func TestLogicalWants(t *testing.T) {
	s := newShop(t)
	s.publish("a")
	s.publication.Tables[0].Where = "id > 1"
	s.publication.Schemas = []string{"x"}
	a := []topology.TableName{{Schema: "public", Name: "a"}}
	want := map[*topology.Cluster]map[string]*postgres.LogicalWant{
		s.top.Cluster(s.top.Node("pg1")): {"postgres": {Tables: a, Schemas: []string{"x"}, Roles: []string{s.source.User}, Filters: []postgres.WantedFilter{{ID: "publication.p", Publication: "p", Table: a[0], Where: "id > 1"}}}},
		s.top.Cluster(s.top.Node("dw1")): {"postgres": {Tables: a, Schemas: []string{"x"}, Subscriptions: []string{"s"}}},
	}
	if d := cmp.Diff(want, logicalWants(s.top)); d != "" {
		t.Error(d)
	}
}
