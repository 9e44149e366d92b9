package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// subscriptionOption is one option of a subscription: what is written when it is made, what
// it is altered to, and what the catalog then has.
type subscriptionOption struct {
	name         string
	since        int
	column       string
	first, then  string // in HCL
	has, becomes string // the first letter in the catalog
}

// subscriptionOptions are all but two_phase, which has a subscription of its own.
func subscriptionOptions(version int) []subscriptionOption {
	all := []subscriptionOption{
		{"synchronous_commit", 10, "subsynccommit", `"local"`, `"on"`, "l", "o"},
		{"binary", 14, "subbinary", "true", "false", "t", "f"},
		{"disable_on_error", 15, "subdisableonerr", "true", "false", "t", "f"},
		{"password_required", 16, "subpasswordrequired", "false", "true", "f", "t"},
		{"run_as_owner", 16, "subrunasowner", "true", "false", "t", "f"},
		{"origin", 16, "suborigin", `"none"`, `"any"`, "n", "a"},
		{"failover", 17, "subfailover", "true", "false", "t", "f"},
	}
	if version < 16 {
		return append(all, subscriptionOption{"streaming", 14, "substream", `"on"`, `"off"`, "t", "f"})
	}
	return append(all, subscriptionOption{"streaming", 14, "substream", `"parallel"`, `"on"`, "p", "t"})
}

const oneServer = `variable "password" {
  type      = string
  sensitive = true
}
node "pg1" {
  host    = "host1"
  address = "ADDR"
}
cluster "main" {
  primary    = node.pg1
  parameters = {
    wal_level                       = "logical"
    listen_addresses                = "*"
    shared_buffers                  = "16MB"
    max_prepared_transactions       = 4
    max_logical_replication_workers = 8
    max_worker_processes            = 16
  }
  role "replicator" {
    replication = true
    password    = var.password
  }
  database "src" {}
  database "dst" {}
SLOTS
}
`

// TestLogicalOptions tries every option that came with some version: what the server
// has is set, altered in place and left out again; what it lacks is refused by name.
func TestLogicalOptions(t *testing.T) {
	t.Parallel()
	for _, suite := range suites() {
		t.Run(suite, func(t *testing.T) {
			w := &optionWorld{world: newWorld(t, lab.Options{Hosts: 1, Suites: []string{suite}})}
			w.version = w.host(1).Version
			w.base("")
			w.must(0, "apply", "-auto-approve")
			const tables = `CREATE TABLE a (id int PRIMARY KEY, note text); CREATE TABLE b (id int PRIMARY KEY);
				CREATE SCHEMA s1; CREATE SCHEMA s2; CREATE TABLE s1.t (id int PRIMARY KEY); CREATE TABLE s2.t (id int PRIMARY KEY);
				CREATE TABLE leaves (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE leaves1 PARTITION OF leaves FOR VALUES FROM (0) TO (100);
				CREATE TABLE leaves2 PARTITION OF leaves FOR VALUES FROM (100) TO (200);`
			const partitioned = `CREATE TABLE root (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE root1 PARTITION OF root FOR VALUES FROM (0) TO (100);
				CREATE TABLE root2 PARTITION OF root FOR VALUES FROM (100) TO (200); INSERT INTO root VALUES (1), (101); INSERT INTO leaves VALUES (1), (101); INSERT INTO a VALUES (1), (2); INSERT INTO b VALUES (1)`
			w.in(1, "src", tables+partitioned)
			w.in(1, "dst", tables+"CREATE TABLE root (id int PRIMARY KEY)")
			w.refused()
			w.subscribed()
			w.published()
			w.partitions()
			w.noSecrets()
		})
	}
}

type optionWorld struct {
	*world
	version int
}

func (w *optionWorld) base(slots string) {
	w.t.Helper()
	w.write("main.hcl", strings.NewReplacer("ADDR", w.host(1).Addr, "SLOTS", slots).Replace(oneServer))
}

// subscription writes one with its publication of one table.
func subscriptionHCL(name, table, more string) string {
	return fmt.Sprintf(`publication %[1]q {
  cluster  = cluster.main
  database = "src"
  tables   = [%[2]q]
}
subscription %[1]q {
  cluster      = cluster.main
  database     = "dst"
  publications = [publication.%[1]s]
%[3]s}
`, name, "public."+table, more)
}

// withOptions writes the options that the version has, or those that it lacks.
func (w *optionWorld) withOptions(value func(subscriptionOption) string, has bool) string {
	var b strings.Builder
	for _, o := range subscriptionOptions(w.version) {
		if v := value(o); (w.version >= o.since) == has && v != "" {
			fmt.Fprintf(&b, "  %s = %s\n", o.name, v)
		}
	}
	return b.String()
}

// refused: all that the version lacks, at once; each is an error that names its version.
func (w *optionWorld) refused() {
	w.t.Helper()
	var words []string
	lacks := func(since int, what string) {
		if w.version < since {
			words = append(words, fmt.Sprintf("%s requires PostgreSQL %d, and pg1 has %d", what, since, w.version))
		}
	}
	more := w.withOptions(func(o subscriptionOption) string { return o.first }, false)
	for _, o := range subscriptionOptions(w.version) {
		lacks(o.since, "subscription.a: "+o.name)
	}
	if w.version == 14 || w.version == 15 {
		more += "  streaming = \"parallel\"\n"
		lacks(16, `subscription.a: streaming = "parallel"`)
	}
	if w.version < 15 {
		more += "  two_phase = true\n"
		lacks(15, "subscription.a: two_phase")
		w.write("flows.hcl", subscriptionHCL("a", "a", more)+"publication \"p\" {\n  cluster = cluster.main\n  database = \"src\"\n  schemas = [\"s1\"]\n"+
			"  table \"public.b\" { where = \"id > 1\" }\n}\npublication \"q\" {\n  cluster = cluster.main\n  database = \"src\"\n  table \"public.b\" { columns = [\"id\"] }\n}\n")
		lacks(15, "publication.p: schemas")
		lacks(15, "public.b: where")
		lacks(15, "public.b: columns")
	} else {
		w.write("flows.hcl", subscriptionHCL("a", "a", more))
	}
	if w.version < 17 {
		w.base("  slot \"cdc\" {\n    type = \"logical\"\n    database = \"src\"\n    failover = true\n  }\n")
		lacks(17, "slot cdc: failover")
	}
	if len(words) == 0 {
		return
	}
	w.says(w.must(1, "plan"), words...)
	w.base("")
}

// subscribed: made with them, altered, and back to the defaults of the version.
func (w *optionWorld) subscribed() {
	w.t.Helper()
	phases := func(value string) string {
		if w.version < 15 || value == "" {
			return ""
		}
		return "  two_phase = " + value + "\n"
	}
	write := func(value func(subscriptionOption) string, twoPhase string) {
		w.write("flows.hcl", subscriptionHCL("a", "a", w.withOptions(value, true))+subscriptionHCL("b", "b", phases(twoPhase)))
	}
	expect := func(want func(subscriptionOption) string, twoPhase string) {
		w.t.Helper()
		for _, o := range subscriptionOptions(w.version) {
			if w.version >= o.since {
				w.expectIn(1, "dst", "SELECT left("+o.column+"::text, 1) FROM pg_subscription WHERE subname = 'a'", want(o))
			}
		}
		if w.version >= 15 {
			w.expectIn(1, "dst", "SELECT subtwophasestate FROM pg_subscription WHERE subname = 'b'", twoPhase)
		}
	}
	oids := "SELECT string_agg(oid::text, ' ' ORDER BY subname) FROM pg_subscription"

	slots := ""
	if w.version >= 14 {
		slots = "  slot \"prepared\" {\n    type = \"logical\"\n    database = \"src\"\n    two_phase = true\n  }\n"
	}
	if w.version >= 17 {
		slots += "  slot \"carried\" {\n    type = \"logical\"\n    database = \"src\"\n    failover = true\n    two_phase = true\n  }\n"
	}
	w.base(slots)
	write(func(o subscriptionOption) string { return o.first }, "true")
	w.must(0, "apply", "-auto-approve")
	w.settled()
	expect(func(o subscriptionOption) string { return o.has }, "e")
	if w.version >= 14 {
		w.expectIn(1, "src", "SELECT two_phase FROM pg_replication_slots WHERE slot_name = 'prepared'", "t")
	}
	if w.version >= 17 {
		w.expectIn(1, "src", "SELECT string_agg(slot_name, ' ' ORDER BY slot_name) FROM pg_replication_slots WHERE failover", "a carried")
	}
	before := w.in(1, "dst", oids)

	write(func(o subscriptionOption) string { return o.then }, "false")
	if w.version >= 15 && w.version < 18 {
		w.says(w.must(1, "plan"), "two_phase is true, but the topology has false", "-replace=subscription.b")
		write(func(o subscriptionOption) string { return o.then }, "true")
	}
	w.must(0, "apply", "-auto-approve")
	w.settled()
	expect(func(o subscriptionOption) string { return o.becomes }, map[bool]string{true: "d", false: "e"}[w.version >= 18])

	write(func(o subscriptionOption) string { return o.first }, "true")
	w.must(0, "apply", "-auto-approve")
	w.settled()
	expect(func(o subscriptionOption) string { return o.has }, "e")

	write(func(subscriptionOption) string { return "" }, "true")
	w.must(0, "apply", "-auto-approve")
	w.settled()
	if now := w.in(1, "dst", oids); now != before {
		w.t.Errorf("a subscription was made anew: oids %s, then %s", before, now)
	}
	w.in(1, "src", "INSERT INTO a VALUES (3); INSERT INTO b VALUES (2)")
	w.expectIn(1, "dst", "SELECT (SELECT count(*) FROM a) || ' ' || (SELECT count(*) FROM b)", "3 2")
}

// published: every form of a publication, and each altered in place.
func (w *optionWorld) published() {
	w.t.Helper()
	publication := func(name, body string) string {
		return fmt.Sprintf("publication %q {\n  cluster = cluster.main\n  database = \"src\"\n%s}\n", name, body)
	}
	first := publication("everything", "  all_tables = true\n  publish = [\"insert\"]\n") + publication("rooted", "  tables = [\"public.root\"]\n  via_partition_root = true\n")
	then := publication("everything", "  all_tables = true\n  publish = [\"insert\", \"truncate\"]\n") + publication("rooted", "  tables = [\"public.root\"]\n")
	if w.version >= 15 {
		first += publication("schemas", "  schemas = [\"s1\"]\n  tables = [\"public.b\"]\n") + publication("rows", "  table \"public.a\" {\n    columns = [\"id\", \"note\"]\n    where = \"id  >  0\"\n  }\n")
		then += publication("schemas", "  schemas = [\"s2\"]\n") + publication("rows", "  table \"public.a\" {\n    columns = [\"id\"]\n    where = \"id between 5 and 7 or id=any(array[1,2])\"\n  }\n")
	}
	w.write("flows.hcl", first)
	w.must(0, "apply", "-auto-approve", "-allow=drop")
	w.settled()
	oids := "SELECT string_agg(oid::text, ' ' ORDER BY pubname) FROM pg_publication"
	before := w.in(1, "src", oids)
	w.expectIn(1, "src", "SELECT string_agg(tablename, ' ' ORDER BY tablename) FROM pg_publication_tables WHERE pubname = 'rooted'", "root")
	w.write("flows.hcl", then)
	w.must(0, "apply", "-auto-approve", "-allow=drop")
	w.settled()
	w.expectIn(1, "src", "SELECT string_agg(tablename, ' ' ORDER BY tablename) FROM pg_publication_tables WHERE pubname = 'rooted'", "root1 root2")
	w.expectIn(1, "src", "SELECT pubinsert::text || pubupdate || pubdelete || pubtruncate FROM pg_publication WHERE pubname = 'everything'", "truefalsefalsetrue")
	if w.version >= 15 {
		w.expectIn(1, "src", "SELECT string_agg(schemaname || '.' || tablename, ' ') FROM pg_publication_tables WHERE pubname = 'schemas'", "s2.t")
		w.expectIn(1, "src", "SELECT attnames FROM pg_publication_tables WHERE pubname = 'rows'", "{id}")
	}
	if now := w.in(1, "src", oids); now != before {
		w.t.Errorf("a publication was made anew: oids %s, then %s", before, now)
	}
}

// partitions: a partitioned table into a plain one through its root, and one whose
// partitions go one by one. A new partition is taken up where it has to be.
func (w *optionWorld) partitions() {
	w.t.Helper()
	rooted := strings.Replace(subscriptionHCL("root", "root", ""), "database = \"src\"\n", "database = \"src\"\n  via_partition_root = true\n", 1)
	w.write("flows.hcl", rooted+subscriptionHCL("leaves", "leaves", ""))
	w.must(0, "apply", "-auto-approve", "-allow=drop")
	w.settled()
	w.in(1, "src", "CREATE TABLE root3 PARTITION OF root FOR VALUES FROM (200) TO (300)")
	w.settled() // its rows go through the root
	const leaf = "CREATE TABLE leaves3 PARTITION OF leaves FOR VALUES FROM (200) TO (300)"
	w.in(1, "dst", leaf)
	w.in(1, "src", leaf)
	w.says(w.must(2, "drift"), "+public.leaves3")
	w.must(0, "apply", "-auto-approve")
	w.settled()
	w.in(1, "src", "INSERT INTO root VALUES (2), (201); INSERT INTO leaves VALUES (2), (201)")
	for _, table := range []string{"root", "leaves"} {
		w.expectIn(1, "dst", "SELECT string_agg(id::text, ' ' ORDER BY id) FROM "+table, "1 2 101 201")
	}
}
