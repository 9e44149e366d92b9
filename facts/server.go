package facts

import (
	"strconv"
	"strings"
	"time"

	"github.com/repltool/repltool/topology"
)

// Server is a running PostgreSQL as it tells itself.
type Server struct {
	VersionNum       int // server_version_num: 150018
	Version          string
	InRecovery       bool
	SystemIdentifier string
	Timeline         int
	// LSN is pg_current_wal_lsn on a primary, pg_last_wal_replay_lsn on a standby.
	LSN       string
	DataBytes int64 // sum of pg_database_size
	// ConfLoaded is pg_conf_load_time, in seconds since 1970.
	ConfLoaded float64

	// Prepared transactions and replication origins: a server does not start with
	// limits below what it holds.
	Prepared, Origins int

	// PagesUnsafe: full_page_writes was off at the last checkpoint, or restartpoint.
	PagesUnsafe bool `json:",omitempty"`

	Settings     map[string]Setting
	FileSettings []FileSetting
	HBA          []HBARule
	Roles        []Role
	Databases    []Database
	Tablespaces  []Tablespace
	Slots        []Slot
	Senders      []Sender
	Receiver     *Receiver `json:",omitempty"` // standby only
	// ConnInfo is primary_conninfo, which may hold a password: it is neither in
	// Settings nor in FileSettings.
	ConnInfo topology.Secret
	// PendingConnInfo is what the files have in its place, and the server has not taken; nil
	// where they say the same.
	PendingConnInfo *topology.Secret `json:",omitempty"`
	Ledger          *Ledger          `json:",omitempty"` // nil: there is none
	// Applying are the enabled subscriptions of every database: each has a worker.
	Applying []SubscriptionName `json:",omitempty"`
	// Subscribing are the databases that hold a subscription, enabled or not.
	Subscribing []string `json:",omitempty"`
	// Applies are the applies of repltool that are at work on this server.
	Applies []Apply `json:",omitempty"`
	// Transactions are the oldest that clients have open.
	Transactions []Transaction `json:",omitempty"`
	// Unarchived is what the archiver could not archive when it last tried; nil where it could.
	Unarchived *Unarchived `json:",omitempty"`
	// SubscriptionOIDs are those of all subscriptions of all databases.
	SubscriptionOIDs []int64 `json:",omitempty"`
	// Logical is by database: those that the topology's publications and
	// subscriptions of a primary name and that exist.
	Logical map[string]*Logical `json:",omitempty"`
}

// Apply is a session of an apply that is at work.
type Apply struct {
	Who   string
	Since string // in UTC
}

// Transaction is one that a client has open.
type Transaction struct {
	PID                         int
	User, Database, Application string
	Age                         time.Duration
}

// Unarchived is a WAL segment that archive_command, or archive_library, could not archive.
type Unarchived struct {
	Segment string
	Since   string // in UTC
}

// SubscriptionName is a subscription of one of a server's databases.
type SubscriptionName struct{ Database, Name string }

// Major returns the major version.
func (s *Server) Major() int { return s.VersionNum / 10000 }

// CountsSenders reports whether the connection limits of roles and databases count WAL senders,
// and refuse them: so did every minor release before those of February 2025.
func (s *Server) CountsSenders() bool {
	free := map[int]int{13: 19, 14: 16, 15: 11, 16: 7, 17: 3}
	return s.Major() < 18 && s.VersionNum%10000 < free[s.Major()]
}

// Role returns the role of that name, or nil; s may be nil.
func (s *Server) Role(name string) *Role {
	if s == nil {
		return nil
	}
	return find(s.Roles, func(r *Role) bool { return r.Name == name })
}

// Database returns the database of that name, or nil; s may be nil.
func (s *Server) Database(name string) *Database {
	if s == nil {
		return nil
	}
	return find(s.Databases, func(d *Database) bool { return d.Name == name })
}

// Slot returns the slot of that name, or nil; s may be nil.
func (s *Server) Slot(name string) *Slot {
	if s == nil {
		return nil
	}
	return find(s.Slots, func(slot *Slot) bool { return slot.Name == name })
}

func find[T any](list []T, is func(*T) bool) *T {
	for i := range list {
		if is(&list[i]) {
			return &list[i]
		}
	}
	return nil
}

// Setting is one row of pg_settings.
type Setting struct {
	Value          string   // in Unit
	Unit           string   // "", "8kB", "ms", …
	Context        string   // postmaster, sighup, …
	VarType        string   // bool, integer, real, string, enum
	Min, Max       string   `json:",omitempty"`
	Enum           []string `json:",omitempty"`
	Boot           string
	Source         string
	SourceFile     string
	SourceLine     int
	PendingRestart bool
}

// FileSetting is one row of pg_file_settings: what the files say, in the order
// in which the server reads them.
type FileSetting struct {
	File    string
	Line    int
	Name    string
	Value   string
	Applied bool
	Error   string
}

// HBARule is one row of pg_hba_file_rules: the file on disk as the server reads it.
type HBARule struct {
	topology.HBARule
	File  string // "" before PostgreSQL 16: the main file
	Line  int
	Error string
}

// Role is a role with its stored verifier.
type Role struct {
	topology.Role
	OID int64
	// Verifier is pg_authid.rolpassword: SCRAM-SHA-256$…, md5…, or not set.
	Verifier topology.Secret
	// Expired reports whether valid_until has passed, by the server's clock.
	Expired bool `json:",omitempty"`
	// Bootstrap marks the superuser that initdb made.
	Bootstrap bool `json:",omitempty"`
	// InDatabase are its parameters in one database (ALTER ROLE … IN DATABASE … SET), which
	// go before its own and before the database's.
	InDatabase map[string]topology.Parameters `json:",omitempty"`
	// Grants are the memberships that another role than the bootstrap superuser
	// granted; from PostgreSQL 16 on, where only its own REVOKE ends one.
	Grants []Grant `json:",omitempty"`
	// NeededBy names the databases that it owns, or where it owns something or has
	// privileges: it cannot be dropped before those. "" stands for what is in none.
	NeededBy []string `json:",omitempty"`
	// Owns counts, by the same names, what it has beyond privileges: objects that it owns
	// and policies that name it.
	Owns map[string]int `json:",omitempty"`
}

// Grant is a membership in a role.
type Grant struct{ Role, Grantor string }

// Database is a database.
type Database struct {
	topology.Database
	OID   int64
	Bytes int64
	// NoConnections is of ALLOW_CONNECTIONS false; Invalid of a DROP DATABASE that was
	// interrupted: neither lets anybody in.
	NoConnections, Invalid bool `json:",omitempty"`
	// ConnectionLimit is of CONNECTION LIMIT; nil for none.
	ConnectionLimit *int `json:",omitempty"`
}

// Tablespace is a tablespace that is not in the data directory.
type Tablespace struct {
	Name     string
	Location string
	Bytes    int64
}

// Slot is a replication slot.
type Slot struct {
	topology.Slot
	Active     bool
	ActivePID  int
	RestartLSN string // "" for none
	// RetainedBytes of WAL; nil when nothing is retained.
	RetainedBytes *int64
	WALStatus     string // reserved, extended, unreserved, lost, or ""
	// SafeWALSize is how much may still be written until the slot can be lost; nil
	// when there is no limit, or when it is lost.
	SafeWALSize *int64 `json:",omitempty"`
	Temporary   bool
	Synced      bool // PostgreSQL 17: a standby's copy of its primary's
}

// Sender is one row of pg_stat_replication. Lags are nil when PostgreSQL says NULL.
type Sender struct {
	PID             int
	User            string
	ApplicationName string
	ClientAddr      string
	State           string // startup, catchup, streaming, backup, stopping
	SentLSN         string
	WriteLSN        string
	FlushLSN        string
	ReplayLSN       string
	SyncState       string // async, potential, sync, quorum
	// From the sender's end of WAL to SentLSN, WriteLSN, FlushLSN and ReplayLSN.
	SentBytes, WriteBytes, FlushBytes, LagBytes *int64

	// How long ago the sender wrote what was written, flushed and replayed last.
	WriteLag  *time.Duration
	FlushLag  *time.Duration
	ReplayLag *time.Duration
	SlotName  string // of the slot that this process holds
}

// Receiver is the standby's own view.
type Receiver struct {
	PID    int
	Status string // "" when no receiver runs
	// ConnInfo is what the process that runs is connected with, which may be older than
	// primary_conninfo: as the server shows it, defaults filled in, values without quotes,
	// passwords struck out. "" when it may not be seen.
	ConnInfo     string `json:",omitempty"`
	SenderHost   string
	SenderPort   int
	SlotName     string
	ReceivedTLI  int
	ReceiveLSN   string
	ReplayLSN    string
	ReplayPaused bool
	// Connecting is a receiver that runs and has not been answered yet, so that nothing else is
	// known of it.
	Connecting *Connecting `json:",omitempty"`
	// Backlog is what was received and is not replayed yet, in bytes.
	Backlog *int64
	// ReplayDelay is now minus the commit time of the last transaction replayed;
	// nil when none was, and when nothing waits to be replayed.
	ReplayDelay *time.Duration
}

// Connecting is a WAL receiver between its start and the first answer of the upstream.
type Connecting struct {
	PID int
	For time.Duration
}

// Ledger is the schema repltool of the maintenance database.
type Ledger struct {
	Managed []Managed
}

// Managed is one row of repltool.managed: what repltool made.
type Managed struct {
	Address string
	Object  string // kind, node and name, as package plan writes them
	Since   string
	// Intent is the WAL position at which repltool wrote down that it would create the
	// object; "" once the creation was confirmed.
	Intent string `json:",omitempty"`
	// At is the WAL position at which repltool confirmed that it created a slot; "" in rows of
	// other kinds, and of an earlier version of repltool.
	At string `json:",omitempty"`
	// OID is that of a database, role or subscription when it was created; 0 in rows of
	// other kinds, and of an earlier version of repltool.
	OID int64 `json:",omitempty"`
}

// Parse takes the marks off the object's text: "intent at 0/3000060 database shop",
// "database shop oid 16384", "slot pg2 on pg1 at 0/3000060".
func (m Managed) Parse() Managed {
	rest, is := strings.CutPrefix(m.Object, "intent at ")
	if at, object, ok := strings.Cut(rest, " "); is && ok {
		m.Intent, m.Object = at, object
		return m
	}
	if i := strings.LastIndex(m.Object, " at "); i >= 0 && strings.HasPrefix(m.Object, "slot ") {
		if _, known := LSN(m.Object[i+len(" at "):]); known {
			m.At, m.Object = m.Object[i+len(" at "):], m.Object[:i]
		}
		return m
	}
	if i := strings.LastIndex(m.Object, " oid "); i >= 0 {
		if oid, err := strconv.ParseInt(m.Object[i+len(" oid "):], 10, 64); err == nil {
			m.OID, m.Object = oid, m.Object[:i]
		}
	}
	return m
}
