package move

import "github.com/repltool/repltool/cluster"

// Summaries of what speaks against a switchover.
const (
	notReady     = "Standby not ready for a switchover"
	notSupported = "Switchover not supported yet"
)

// asNow is what the topology says before the move.
func asNow(w *cluster.Switchover) string {
	return "  primary = " + w.From.ID + "\nand " + w.To.ID + " among the standbys;"
}
