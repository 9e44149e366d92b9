package topology

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// The values of a subscription's words.
const (
	CopyDataMerge     = "merge"
	CopySchemaNone    = "none"
	CopySchemaMissing = "missing"
	OnDestroyDrop     = "drop"
	OnDestroyRetain   = "retain"
	StreamingOff      = "off"
	StreamingOn       = "on"
	StreamingParallel = "parallel"
	OriginAny         = "any"
	OriginNone        = "none"
)

// Subscription is a subscription as wanted (PostgreSQL docs, "CREATE
// SUBSCRIPTION"). It stands on its cluster's primary.
type Subscription struct {
	// ID is the address: subscription.orders or subscription.orders["eu"].
	ID       string
	Earlier  []string // addresses that it had, by moved blocks, the latest first
	Name     string   // in PostgreSQL
	Cluster  *Cluster
	Database string

	// Publications are those subscribed to, all of one cluster and database, in
	// the order written; empty with a publisher outside of the topology.
	Publications []*Publication
	// Role is the role of the publisher's cluster that it connects as; nil with
	// Connection.
	Role *Role
	// Connection leads to a publisher outside of the topology, and
	// PublicationNames are what it subscribes to there; else nil.
	Connection       *Connection
	PublicationNames []string

	Options SubscriptionOptions
	// CopyData reports whether tables are copied when they are first subscribed to.
	CopyData bool
	// CopyMerge reports whether they are copied also into tables that have rows: those of
	// other publishers, or of the subscriber itself.
	CopyMerge bool
	// CreateSlot reports whether the slot is repltool's to make and to drop.
	CreateSlot bool
	CopySchema string // CopySchemaNone or CopySchemaMissing
	OnDestroy  string // OnDestroyDrop or OnDestroyRetain

	Lifecycle Lifecycle
	Range     hcl.Range

	namesSlot bool
}

// NamesSlot reports whether slot_name is written, and not derived from the name.
func (s *Subscription) NamesSlot() bool { return s.namesSlot }

// SubscriptionOptions are what pg_subscription holds, wanted or found. A pointer
// that is nil and a text that is "" say nothing: PostgreSQL's default of that
// version is wanted.
type SubscriptionOptions struct {
	Enabled           bool
	SlotName          string // the subscription's name unless it is given
	Binary            *bool
	Streaming         string
	TwoPhase          *bool
	DisableOnError    *bool
	Origin            string
	PasswordRequired  *bool
	RunAsOwner        *bool
	Failover          *bool
	SynchronousCommit string
}

// Connection leads to a publisher outside of the topology. "" says nothing.
type Connection struct {
	Host           string
	Port           int // 0 says nothing
	Database       string
	User           string
	Password       Secret
	SSLMode        string
	SSLRootCert    string
	SSLCert        string
	SSLKey         string
	Service        string
	Passfile       string
	ConnectTimeout int // seconds; 0 says nothing
	Range          hcl.Range
}

// Publisher returns the cluster that is subscribed to, or nil for one outside.
func (s *Subscription) Publisher() *Cluster {
	if len(s.Publications) == 0 {
		return nil
	}
	return s.Publications[0].Cluster
}

// SourceDatabase returns the publisher's database.
func (s *Subscription) SourceDatabase() string {
	if len(s.Publications) == 0 {
		return s.Connection.Database
	}
	return s.Publications[0].Database
}

// Names returns the publications' names in PostgreSQL, in the order written.
func (s *Subscription) Names() []string {
	if s.Connection != nil {
		return s.PublicationNames
	}
	var names []string
	for _, p := range s.Publications {
		names = append(names, p.Name)
	}
	return names
}

// RowFilter returns the condition for the rows of a table that the subscription
// receives, out of the row filters of those of its publications that publish the table;
// "" where one of them sends every row (PostgreSQL docs, "Row Filters", "Combining
// Multiple Row Filters").
func (s *Subscription) RowFilter(name TableName, publishes func(*Publication) bool) string {
	if !slices.ContainsFunc(s.Publications, (*Publication).filters) {
		return ""
	}
	var filters []string
	for _, p := range s.Publications {
		if !publishes(p) {
			continue
		}
		t := p.Table(name)
		if t == nil || t.Where == "" || p.AllTables || slices.Contains(p.Schemas, name.Schema) {
			return ""
		}
		filters = append(filters, t.Where)
	}
	if len(filters) == 1 {
		return filters[0]
	}
	for i, f := range filters {
		filters[i] = "(" + f + ")"
	}
	return strings.Join(filters, " OR ")
}
