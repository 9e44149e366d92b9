package facts

import (
	"maps"
	"time"
)

// Glance is a server at one moment: what changes from one moment to the next, and nothing else.
type Glance struct {
	// Asked and Answered are before and after the moment, by the clock of who asked.
	Asked, Answered time.Time
	// Server has the role, the position and who streams; nil where it did not answer.
	Server *Server
	Error  *ReadError // why it did not
}

// With returns the facts as they are after these glances.
func (f Facts) With(glances map[string]Glance) Facts {
	all := Facts{Nodes: maps.Clone(f.Nodes)}
	for name, g := range glances {
		if before := all.Nodes[name]; before != nil {
			all.Nodes[name] = before.with(g)
		}
	}
	return all
}

func (n *Node) with(g Glance) *Node {
	now := *n
	switch {
	case g.Server == nil && n.Server == nil: // the reading says more of one that is down
	case g.Server == nil:
		now.Server, now.ServerError = nil, g.Error
	case n.Server == nil:
		now.Server, now.ServerError = g.Server, nil
	default:
		server := *n.Server
		server.InRecovery, server.SystemIdentifier, server.Timeline = g.Server.InRecovery, g.Server.SystemIdentifier, g.Server.Timeline
		server.LSN, server.Senders, server.Receiver = g.Server.LSN, g.Server.Senders, g.Server.Receiver
		now.Server = &server
	}
	return &now
}
