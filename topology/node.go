package topology

import (
	"time"

	"github.com/hashicorp/hcl/v2"
)

// Access is how a node is reached.
type Access string

// The ways to reach a node.
const (
	AccessSSH   Access = "ssh"   // commands, files and SQL over SSH
	AccessLocal Access = "local" // this machine, no SSH
	AccessSQL   Access = "sql"   // SQL only: a hosted server
)

// Node is one PostgreSQL instance on one machine.
type Node struct {
	// Name is the label, or the key of for_each. It is unique in a topology,
	// and it is the standby's application_name.
	Name string
	// ID is the address in the topology: node.pg1 or node.pg["pg1"].
	ID string
	// Earlier are the names that it had, by moved blocks, the latest first.
	Earlier []string

	Host     string
	Address  string // where other nodes reach its PostgreSQL
	Port     int
	Location string
	Access   Access

	// Empty where discovery should find them.
	DataDir   string
	ConfigDir string
	BinDir    string
	SocketDir string
	Service   string
	OSUser    string

	Parameters Parameters
	SSH        SSH
	SQL        *SQL // nil: peer authentication over the Unix socket

	Range hcl.Range
}

// SSH holds what a topology says of the connection; empty values come from the
// user's own SSH configuration.
type SSH struct {
	User            string
	Port            int
	IdentityFile    string
	ProxyJump       string
	KnownHosts      string
	HostKeyChecking string        // "yes" or "accept-new"
	Become          string        // "sudo" or "none"
	ConnectTimeout  time.Duration // 0: the default
}

// SQL is a direct TCP connection in place of the Unix socket.
type SQL struct {
	Host        string
	Port        int
	User        string
	Password    Secret
	SSLMode     string
	SSLRootCert string
	Service     string
	Passfile    string
}

// SlotName is the name of the node's physical slot on its upstream: the node's
// name in the letters that a slot name may have.
func (n *Node) SlotName() string { return foldSlotName(n.Name) }

// foldSlotName returns a name in the letters that a slot may have (a-z, 0-9, _).
func foldSlotName(text string) string {
	name := []byte(text)
	for i, c := range name {
		switch {
		case 'A' <= c && c <= 'Z':
			name[i] = c + 'a' - 'A'
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '_':
		default:
			name[i] = '_'
		}
	}
	if len(name) > 63 {
		name = name[:63]
	}
	return string(name)
}
