package cluster

import (
	"fmt"
	"path"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// OtherRole tells of a server whose next start gives it another role than the one it has, and
// what to do about it; "" and "" where it stays what it is. Promotion removes the file, so a
// running primary has none unless it was made by hand.
func OtherRole(n *topology.Node, f *facts.Node) (what, fix string) {
	file := path.Join(f.Host.DataDir, "standby.signal")
	switch {
	case f.Server.InRecovery && !f.Host.StandbySignal:
		return n.Name + " is a standby without standby.signal in its data directory: after its next restart it would be a second " +
				"primary",
			fmt.Sprintf("As %s on %s, run touch %s.", f.Host.OSUser, n.Name, file)
	case !f.Server.InRecovery && f.Host.StandbySignal:
		return n.Name + " is a primary with standby.signal in its data directory: after its next restart it would be a read-only " +
				"standby",
			fmt.Sprintf("As %s on %s, run rm %s.", f.Host.OSUser, n.Name, file)
	}
	return "", ""
}
