// Package facts is what was found, in topology's own words.
//
// It is pure data: nothing here contacts a host, and package plan reads it
// without knowing how it came to be. Every fact encodes to JSON and back, so
// that golden cases are made of text.
//
// Unknown is not missing: a node that could not be read has Error set and no
// Host; a server that runs but could not be asked has Host, and ServerError.
// Nothing may be concluded from what such a node does not hold.
package facts

import "github.com/repltool/repltool/topology"

// Facts are what one reading found.
type Facts struct {
	// Nodes by the name that the topology gives them.
	Nodes map[string]*Node
}

// Node is one node as found.
type Node struct {
	Name string
	// Error says why the machine could not be read; Host is nil then.
	Error *ReadError `json:",omitempty"`
	Host  *Host      `json:",omitempty"`
	// Server is nil when none runs, or when ServerError says why the one that
	// runs could not be asked.
	Server      *Server    `json:",omitempty"`
	ServerError *ReadError `json:",omitempty"`
}

// Complete reports whether all that can be known of the node is known.
func (n *Node) Complete() bool {
	return n != nil && n.Error == nil && n.ServerError == nil && n.Host != nil
}

// ReadError is why something could not be read, classified at the edge.
type ReadError struct {
	Kind ErrorKind
	Text string // operation and cause: "ssh: dial 10.0.0.1:22: connection refused"
	Hint string // what the user can do; several lines are commands
}

// ErrorKind is what a reading failed for.
type ErrorKind string

// The kinds of failures, and whether reading again may help.
const (
	Unreachable ErrorKind = "unreachable"    // no connection; may help later
	HostKey     ErrorKind = "host_key"       // unknown or changed; never
	AuthFailed  ErrorKind = "authentication" // SSH or SQL login refused; never
	NoPrivilege ErrorKind = "privilege"      // cannot become the OS user; never
	NoBinaries  ErrorKind = "binaries"       // PostgreSQL is not installed; never
	BadData     ErrorKind = "data"           // what was found makes no sense; never
	TimedOut    ErrorKind = "timeout"        // may help
	ReadFailed  ErrorKind = "read"           // anything else
)

// Role of a node as found.
type NodeRole string

// What a node is.
const (
	RolePrimary NodeRole = "primary"
	RoleStandby NodeRole = "standby"
	RoleNone    NodeRole = "no cluster"
	RoleDown    NodeRole = "down"
	RoleUnknown NodeRole = "unknown"
)

// Role returns what the node is.
func (n *Node) Role() NodeRole {
	switch {
	case n == nil || n.Host == nil:
		return RoleUnknown
	case n.Server != nil && n.Server.InRecovery:
		return RoleStandby
	case n.Server != nil:
		return RolePrimary
	case n.ServerError != nil:
		return RoleUnknown
	case n.Host.Data.State == DataCluster:
		return RoleDown
	default:
		return RoleNone
	}
}

// File is a text file of a host.
type File struct {
	Path   string
	Exists bool
	Text   string
	Mode   uint32 // permission bits
	Owner  string
	// Modified is when the file came to be as it is, in seconds since 1970: its ctime. The
	// time of its text (mtime) is what cp -p, rsync or a backup brought along.
	Modified float64
	// Locked is why repltool cannot replace it, with the way out; "" when it can.
	Locked string `json:",omitempty"`
}

// SecretFile is a file whose text must not be shown.
type SecretFile struct {
	Path   string
	Exists bool
	Text   topology.Secret
	Mode   uint32
	Owner  string
	// Stamp is when postgresql.auto.conf was last written, as stat writes it.
	Stamp string `json:",omitempty"`
}
