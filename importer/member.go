package importer

import (
	"fmt"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/importer/write"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/topology"
)

// Seen is a server that was read, and how it was reached.
type Seen struct {
	Host string // as the user, or another server, calls it
	SSH  topology.SSH
	// Addresses are the machine's own; Resolved are those of the hosts that were named, as it
	// sees them.
	Addresses []string
	Resolved  map[string][]string
	// Programs run on the machine, and may decide which server is the primary.
	Programs []string
	Port     int
	Facts    *facts.Node
}

// Options are what the user said.
type Options struct {
	// Name is that of the cluster; "" is found.
	Name string
	// Unread are standbys that were found and not read: who and why.
	Unread []string
}

// Decision is what is to be written, and what the proof of it needs.
type Decision struct {
	Document *write.Document
	// Nodes are the servers by the names that they were given.
	Nodes map[string]Seen
	// Passwords are the values that are known of the document's variables.
	Passwords map[string]topology.Secret
	// Left counts what stays as it is; Unproven is what a plan cannot compare.
	Left, Unproven []string
	// Managers are the programs that decide which server is the primary.
	Managers []string
}

// member is a server of a cluster.
type member struct {
	Seen
	node     *topology.Node
	upstream *member
	conn     map[string]string // how it connects to its upstream
	sender   *facts.Sender     // the upstream's process that serves it
}

func (m *member) server() *facts.Server { return m.Facts.Server }

// group is the servers of one cluster, the primary first.
type group struct {
	members []*member
	cluster *topology.Cluster
}

func (g *group) primary() *member { return g.members[0] }

// flow is a subscription as found.
type flow struct {
	found      *facts.Subscription
	database   string
	subscriber *group
	conn       map[string]string
	publisher  *group // nil for one that was not read
	host       string // by which the subscriber calls it
	sender     *facts.Sender
}

// decider is a decision in the making.
type decider struct {
	o     Options
	d     *Decision
	doc   *write.Document
	names map[string]bool // of nodes, in lower case
	flows []*flow
}

// at is how a server is called before it has a name.
func at(s Seen) string {
	if s.Port == 5432 {
		return s.Host
	}
	return fmt.Sprintf("%s:%d", s.Host, s.Port)
}

// connOf is how a server connects to its upstream, or did while it was a standby.
func connOf(s *facts.Server) map[string]string { return conninfo.Map(s.ConnInfo.Reveal()) }
