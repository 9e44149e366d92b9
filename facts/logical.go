package facts

import (
	"slices"
	"time"

	"github.com/repltool/repltool/topology"
)

// Logical is what one database of a primary holds of logical replication. Only
// databases that the topology's publications and subscriptions name are read.
type Logical struct {
	// Error says why a database that is there could not be read; nothing may be
	// concluded then.
	Error *ReadError `json:",omitempty"`

	Publications  []Publication
	Subscriptions []Subscription
	// Tables are those that the topology's publications and subscriptions of this
	// database name, those of their schemas, and the partitions of either; all of
	// the database where all_tables is wanted or found.
	Tables []Table
	// Filters tell of every wanted row filter what the server makes of it.
	Filters []Filter `json:",omitempty"`
	// Access tells what roles may do here: those that subscriptions connect as or may have
	// connected as, which have REPLICATION, and the owners of this database's own subscriptions.
	Access map[string]Access `json:",omitempty"`
	// Closed tells that PUBLIC has no CONNECT here: a role that comes needs it granted.
	Closed bool `json:",omitempty"`
	// Unknown are the columns of pg_publication (with pg_publication_rel) and of
	// pg_subscription that this reader does not know: attributes of a later version.
	Unknown struct{ Publication, Subscription []string } `json:",omitzero"`
	// Definitions hold what makes the tables that a subscriber lacks, by
	// subscription ID: SQL text of the publisher's pg_dump (copy_schema).
	Definitions map[string]Definition `json:",omitempty"`
	// LackedSchemas are those that the topology's publications name and that do not exist.
	LackedSchemas []string `json:",omitempty"`
	// Overlaps tell of tables that have rows, and that a subscription is yet to copy
	// through a row filter, whether the filter matches any of these rows.
	Overlaps []Overlap `json:",omitempty"`
}

// Overlap is whether a table of the subscriber has rows that match the row filter of a
// subscription.
type Overlap struct {
	Subscription string // topology's ID
	Table        topology.TableName
	Rows         bool
	Error        string `json:",omitempty"` // why the server could not tell
}

// Publication is a row of pg_publication with its tables, of which Columns and
// Where are as the server writes them. Cluster is not set.
type Publication struct {
	topology.Publication
	Comment string `json:",omitempty"`
	// AheadOf are the slots whose position is before the publication was created, or its
	// options were altered last.
	AheadOf []string `json:",omitempty"`
}

// Filter is what the server makes of a wanted row filter.
type Filter struct {
	Publication string // topology's ID
	Table       topology.TableName
	Where       string // as wanted
	// Same reports whether the filter that is there means the same.
	Same  bool
	Error string `json:",omitempty"` // of a filter that does not fit the table
}

// Subscription is a row of pg_subscription with what its workers say.
type Subscription struct {
	Name         string
	OID          int64 // by which the slots of its table copies are named
	Owner        string
	Comment      string `json:",omitempty"`
	Publications []string
	Options      topology.SubscriptionOptions // every one set that the version has
	// SlotName NONE is Options.SlotName "".
	ConnInfo    topology.Secret
	Tables      []SubscribedTable
	Worker      *SubscriptionWorker `json:",omitempty"` // nil: none runs
	ApplyErrors int64               // since the statistics were reset; PostgreSQL 15
	SyncErrors  int64
	// Restarts is how often its worker ended or failed while it was read.
	Restarts int `json:",omitempty"`
	// Applied is where the last transaction that it applied ends in the publisher's WAL; "" and
	// 0/0 where there was none.
	Applied string `json:",omitempty"`
}

// AheadOf reports whether it has applied more than the publisher has: that server is another
// one than the changes came from, or lost what it had. It sends nothing until its WAL ends
// beyond that position.
func (s *Subscription) AheadOf(publisher *Server) bool {
	applied, known := LSN(s.Applied)
	end, alsoKnown := LSN(publisher.LSN)
	return known && alsoKnown && applied > end
}

// SubscribedTable is a row of pg_subscription_rel.
type SubscribedTable struct {
	Table topology.TableName
	State string // i: initialize, d: data copy, f: finished copy, s: synchronized, r: ready
	// Slot is the one on the publisher by which a finished copy catches up; "" in other
	// states.
	Slot string `json:",omitempty"`
}

// SubscriptionWorker is the apply worker's row of pg_stat_subscription.
type SubscriptionWorker struct {
	PID         int
	ReceivedLSN string
	LatestLSN   string // latest_end_lsn, as told to the publisher
	// Silence is now minus the last message's arrival; nil before the first.
	Silence *time.Duration
	// Age is now minus the start of its process; nil where that is not known.
	Age *time.Duration `json:",omitempty"`
	// Applying reports whether it is in a transaction.
	Applying bool `json:",omitempty"`
	// Syncing is how many table synchronization workers run.
	Syncing int
}

// Table is a table, partitioned table or partition, and what replication asks of it.
type Table struct {
	Table      topology.TableName
	Kind       string // pg_class.relkind: r, p, f, v, m
	Persistent bool   // neither temporary nor unlogged
	Owner      string `json:",omitempty"`
	// RowSecurity and ForceRowSecurity are of ALTER TABLE … ROW LEVEL SECURITY; the
	// latter is for the owner too.
	RowSecurity      bool `json:",omitempty"`
	ForceRowSecurity bool `json:",omitempty"`
	// Root is the topmost partitioned table above it, or none. Parents are all above
	// it, from the nearest to Root.
	Root    *topology.TableName  `json:",omitempty"`
	Parents []topology.TableName `json:",omitempty"`
	Columns []Column
	// Identity is pg_class.relreplident: d, n, f, i.
	Identity string
	// IdentityColumns are the replica identity's; empty: there is none, and UPDATE and
	// DELETE cannot be published.
	IdentityColumns []string
	Bytes           int64 // pg_total_relation_size; of a partitioned table, 0
	// Rules are what its rows must satisfy: CHECK and EXCLUDE constraints, and UNIQUE (…) of each
	// unique index, the primary key's among them.
	Rules []string `json:",omitempty"`
	// Referenced are the tables whose foreign keys reference it.
	Referenced []topology.TableName `json:",omitempty"`
	// Fills tells of a BEFORE INSERT trigger that fires for rows that replication brings,
	// and may give values to columns that are not published.
	Fills bool `json:",omitempty"`
	// Rows reports whether there may be any: of a table that is subscribed to, whether its
	// file has room for some.
	Rows bool `json:",omitempty"`
}

// Column is a column of a table.
type Column struct {
	Name string
	Type string // format_type
	// Enum are the labels of an enum type, and Made is what a domain or a composite type is
	// made of; of an array, those of its elements.
	Enum      []string `json:",omitempty"`
	Made      string   `json:",omitempty"`
	NotNull   bool
	Generated bool
	Virtual   bool `json:",omitempty"` // generated, and not stored (PostgreSQL 18)
	Default   bool
}

// Access is what a role may do in a database.
type Access struct {
	Connect bool
	// Schemas and Tables are those of Logical.Tables that it may use and read. A
	// superuser may everything.
	Schemas []string
	Tables  []topology.TableName
	// Lacks tells, of the owner of a subscription of this database, which privileges on
	// tables it lacks, of those that changes are applied with.
	Lacks []LackedPrivileges `json:",omitempty"`
	// Restricted are the tables with row security that it is not exempt from as their
	// owner; whether it is a superuser or has BYPASSRLS is not considered here.
	Restricted []topology.TableName `json:",omitempty"`
	// Becomes are the owners of tables that it may SET ROLE to.
	Becomes []string `json:",omitempty"`
	// TimeLimits are those that ALTER ROLE and ALTER DATABASE give its sessions here.
	TimeLimits map[string]string `json:",omitempty"`
	// Granted is what was granted to the role itself, of that by which a subscription reads.
	Granted Granted `json:",omitzero"`
}

// Granted are privileges that were granted to one role by its name.
type Granted struct {
	Connect bool                 `json:",omitempty"`
	Schemas []string             `json:",omitempty"` // USAGE
	Tables  []topology.TableName `json:",omitempty"` // SELECT
}

// LackedPrivileges are privileges on a table: SELECT, INSERT, UPDATE, DELETE, TRUNCATE.
type LackedPrivileges struct {
	Table      topology.TableName
	Privileges []string
}

// Definition is SQL that makes tables, or why it could not be had.
type Definition struct {
	SQL   string
	Error string `json:",omitempty"`
}

// Table returns the table of that name, or nil; l may be nil.
func (l *Logical) Table(name topology.TableName) *Table {
	if l == nil {
		return nil
	}
	// The server answers them in order; where they are not, all are looked at.
	if i, found := slices.BinarySearchFunc(l.Tables, name, func(t Table, name topology.TableName) int { return t.Table.Compare(name) }); found {
		return &l.Tables[i]
	}
	return find(l.Tables, func(t *Table) bool { return t.Table == name })
}

// TablesByName are the tables, for who asks about many of them; l may be nil.
func (l *Logical) TablesByName() map[topology.TableName]*Table {
	if l == nil {
		return nil
	}
	tables := make(map[topology.TableName]*Table, len(l.Tables))
	for i := range l.Tables {
		tables[l.Tables[i].Table] = &l.Tables[i]
	}
	return tables
}

// Overlap returns what is known of the rows of a table that a subscription is to copy
// into, or nil; l may be nil.
func (l *Logical) Overlap(subscription string, name topology.TableName) *Overlap {
	if l == nil {
		return nil
	}
	return find(l.Overlaps, func(o *Overlap) bool { return o.Subscription == subscription && o.Table == name })
}

// Published returns the tables whose changes a publication sends, in the order of
// their names: of a partitioned table its leaves, or, where the root is published
// through, the topmost one that is a member (PostgreSQL docs, "CREATE PUBLICATION",
// publish_via_partition_root). l may be nil.
func (l *Logical) Published(p *topology.Publication) []topology.TableName {
	if l == nil {
		return nil
	}
	var tables []topology.TableName
	covers := p.Covering()
	for i := range l.Tables {
		if t := &l.Tables[i]; sends(p, t, covers) {
			tables = append(tables, t.Table)
		}
	}
	slices.SortFunc(tables, topology.TableName.Compare)
	return tables
}

// ForeignParts returns the foreign tables that are partitions of what the publication sends
// partition by partition. The server lists them to subscribers, and can copy none of them.
func (l *Logical) ForeignParts(p *topology.Publication) []topology.TableName {
	if l == nil || p.ViaPartitionRoot {
		return nil
	}
	var all []topology.TableName
	covers := p.Covering()
	for i := range l.Tables {
		if t := &l.Tables[i]; t.Kind == "f" && len(t.Parents) > 0 && covers(topmost(t, covers)) {
			all = append(all, t.Table)
		}
	}
	return all
}

// sends reports whether a publication that covers these tables sends the changes of t.
func sends(p *topology.Publication, t *Table, covers func(topology.TableName) bool) bool {
	switch {
	case !t.Persistent || t.Kind != "r" && t.Kind != "p":
		return false
	case p.ViaPartitionRoot:
		return topmost(t, covers) == t.Table && covers(t.Table)
	}
	return t.Kind == "r" && covers(topmost(t, covers))
}

// Carriers returns the tables that hold the rows of t: itself, or the partitions of a
// partitioned table; where it has none, itself.
func (l *Logical) Carriers(t *Table) []*Table {
	if t.Kind != "p" {
		return []*Table{t}
	}
	var all []*Table
	for i := range l.Tables {
		if p := &l.Tables[i]; p.Kind == "r" && slices.Contains(p.Parents, t.Table) {
			all = append(all, p)
		}
	}
	if all == nil {
		all = append(all, t)
	}
	return all
}

// topmost returns the table, or the topmost of those above it that is a member by
// itself.
func topmost(t *Table, covers func(topology.TableName) bool) topology.TableName {
	for _, parent := range slices.Backward(t.Parents) {
		if covers(parent) {
			return parent
		}
	}
	return t.Table
}

// RowFilter returns the condition for the rows of a table that a subscription receives
// from this database; "" for every row. l may be nil.
func (l *Logical) RowFilter(sub *topology.Subscription, name topology.TableName) string {
	return sub.RowFilter(name, func(p *topology.Publication) bool {
		t := l.Table(name)
		return t != nil && sends(p, t, p.Covers)
	})
}

// Publication returns the publication of that name, or nil; l may be nil.
func (l *Logical) Publication(name string) *Publication {
	if l == nil {
		return nil
	}
	return find(l.Publications, func(p *Publication) bool { return p.Name == name })
}

// Subscription returns the subscription of that name, or nil; l may be nil.
func (l *Logical) Subscription(name string) *Subscription {
	if l == nil {
		return nil
	}
	return find(l.Subscriptions, func(s *Subscription) bool { return s.Name == name })
}

// Copying returns how many tables are not ready.
func (s *Subscription) Copying() int {
	n := 0
	for _, t := range s.Tables {
		if t.State != "r" {
			n++
		}
	}
	return n
}
