package topology

import (
	"maps"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// Cluster is one primary and its standbys.
type Cluster struct {
	// Name is the label, with the key of for_each in brackets: orders["eu"].
	Name string
	// ID is the address: cluster.orders or cluster.orders["eu"].
	ID string
	// Earlier are the names that it had, by moved blocks, the latest first.
	Earlier []string

	Version  int // 0: that of the binaries
	Primary  *Node
	Standbys []*Standby

	Slots       bool // one physical slot per standby on its upstream
	Parameters  Parameters
	Replication Replication
	Synchronous *Synchronous // nil: the topology says nothing of it
	BaseBackup  BaseBackup
	InitDB      InitDB
	HBA         []HBARule
	Roles       []*Role
	Databases   []*Database
	// PermanentSlots are the slot blocks; a standby's own slot is not among them.
	PermanentSlots []*Slot
	Thresholds     Thresholds
	Lifecycle      Lifecycle

	Range hcl.Range
}

// Members returns the primary and then the standbys in the order written.
func (c *Cluster) Members() []*Node {
	var nodes []*Node
	if c.Primary != nil {
		nodes = append(nodes, c.Primary)
	}
	for _, s := range c.Standbys {
		nodes = append(nodes, s.Node)
	}
	return nodes
}

// Standby returns the standby on n, or nil.
func (c *Cluster) Standby(n *Node) *Standby {
	for _, s := range c.Standbys {
		if s.Node == n {
			return s
		}
	}
	return nil
}

// Role returns the role of that name, or nil.
func (c *Cluster) Role(name string) *Role {
	for _, r := range c.Roles {
		if r.Name == name {
			return r
		}
	}
	return nil
}

// Database returns the database of that name, or nil.
func (c *Cluster) Database(name string) *Database {
	for _, db := range c.Databases {
		if db.Name == name {
			return db
		}
	}
	return nil
}

// ParametersOf returns what is wanted on n: the cluster's parameters, over them
// the node's, over them the standby block's.
func (c *Cluster) ParametersOf(n *Node) Parameters {
	all := Parameters{}
	layers := []Parameters{c.Parameters, n.Parameters}
	if s := c.Standby(n); s != nil {
		layers = append(layers, s.Parameters)
	}
	for _, layer := range layers {
		maps.Copy(all, layer)
	}
	return all
}

// Standby is one node that follows another.
type Standby struct {
	Node       *Node
	Upstream   *Node // the primary unless the block says another
	ApplyDelay time.Duration
	Slot       string // its physical slot on Upstream; "" for none
	Parameters Parameters
	Range      hcl.Range
}

// Replication is how standbys log in to their upstream.
type Replication struct {
	Role        *Role  // nil only in a cluster without standbys
	SSLMode     string // libpq's sslmode
	Method      string // "scram-sha-256" or "cert"
	SSLRootCert string
	SSLCert     string
	SSLKey      string
	Range       hcl.Range
}

// Synchronous is the synchronous set.
type Synchronous struct {
	Method   string // "any" or "first"
	Number   int
	Standbys []*Node // in the order written: it is the priority of "first"
	Range    hcl.Range
}

// BaseBackup is how a standby is cloned.
type BaseBackup struct {
	MaxRate           string // "" for no limit; pg_basebackup's --max-rate
	Checkpoint        string // "fast" or "spread"
	Verify            bool
	WALDir            string
	TablespaceMapping map[string]string
	Range             hcl.Range
}

// InitDB is how a primary that has no cluster is made.
type InitDB struct {
	Locale        string
	Encoding      string
	DataChecksums bool
	Auth          string // initdb's --auth for TCP connections
	Range         hcl.Range
}

// Thresholds are what drift and status call unhealthy; nil means no limit.
type Thresholds struct {
	LagBytes     *int64
	LagTime      *time.Duration
	SlotRetained *int64
}

// Lifecycle guards an object.
type Lifecycle struct {
	PreventDestroy bool
	IgnoreChanges  []string
	Range          hcl.Range
}

// Ignores reports whether changes of that attribute are left alone.
func (l Lifecycle) Ignores(attribute string) bool {
	for _, a := range l.IgnoreChanges {
		if a == attribute || a == "all" {
			return true
		}
	}
	return false
}
