package draft

import (
	_ "embed"
	"path"
	"strconv"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

//go:embed server_in.sh
var serverIn string

//go:embed fence.sh
var fence string

// WithServerIn is a script that asks, by the function server_in, whether a server runs in a data directory.
func WithServerIn(script string) string { return serverIn + script }

// FenceScript makes the data directory of an old primary that is down that of a standby.
func FenceScript() string { return WithServerIn(fence) }

// Enable adds the step that has the unit of what repltool made start at boot.
func (d *Draft) Enable(n *topology.Node, h *facts.Host) {
	if h.Service.Disabled {
		d.Step(n, "start at boot", Control(n, h, "enable"))
	}
}

// Restart adds the steps that restart it. One that runs outside its unit is stopped
// by hand and starts in it.
func (d *Draft) Restart(n *topology.Node, h *facts.Host) {
	if h.Service.Outside {
		d.Step(n, "stop; it runs outside its systemd unit", Control(n, h, "stop"))
		d.Step(n, "start in its systemd unit", Control(n, h, "start"))
		return
	}
	d.Step(n, "restart", Control(n, h, "restart"))
}

// Control returns the command that starts, stops or restarts the instance of n.
// Stops are fast: sessions are ended, data are written (PostgreSQL docs, 19.5
// "Shutting Down the Server").
func Control(n *topology.Node, h *facts.Host, verb string) plan.Command {
	c := plan.Command{Timeout: commandTimeout, Remedy: remedy(n, h, verb)}
	// pg_ctlcluster continues for some 2 s after the server answers, also from Debian's unit.
	c.Starts = h.Layout == facts.LayoutDebian && (verb == "start" || verb == "restart")
	byUnit := h.Service.Kind == "systemd" && !(h.Service.Outside && verb == "stop")
	switch {
	case byUnit:
		c.Argv, c.Root = []string{"systemctl", verb, h.Service.Unit}, true
	case h.Layout == facts.LayoutDebian:
		c.Argv = []string{"pg_ctlcluster", "--skip-systemctl-redirect", strconv.Itoa(h.Version), h.Instance, verb}
		if verb != "start" {
			c.Argv = append(c.Argv, "--mode", "fast")
		}
	default:
		c.Argv = []string{cluster.Binary(h, "pg_ctl"), "--pgdata", h.DataDir, "--wait"}
		if verb != "stop" {
			c.Argv = append(c.Argv, "--log", serverLog(h))
		}
		if verb != "start" {
			c.Argv = append(c.Argv, "--mode", "fast")
		}
		c.Argv = append(c.Argv, verb)
	}
	return c
}

// serverLog is where pg_ctl has a server write its log.
func serverLog(h *facts.Host) string { return path.Join(h.StateDir, h.Key()+".log") }

// remedy is what to do about a server that does not start: correcting the topology is enough,
// since its values are written before the server starts (downParameters in streaming/down.go).
func remedy(n *topology.Node, h *facts.Host, verb string) string {
	log := "its log"
	switch {
	case verb != "start" && verb != "restart":
		return ""
	case h.Service.Kind == "systemd":
		log = "journalctl -u " + h.Service.Unit + " or its log"
	case h.Layout != facts.LayoutDebian:
		log = serverLog(h)
	}
	return n.Name + ": " + verb + " failed, and what is said above or " + log + " has the reason. Fix the value that it names and apply again: in the topology, whose values are written " +
		"before " + n.Name + " starts, or in the server's files if the topology does not set it."
}

const (
	IsPrimary = "SELECT NOT pg_is_in_recovery()"
	IsStandby = "SELECT pg_is_in_recovery()"
)

// AwaitStart waits until a server answers in the role wanted.
func AwaitStart(s *cluster.Cluster, d *Draft, n *topology.Node) {
	query := IsPrimary
	if s.Cluster.Standby(n) != nil {
		query = IsStandby
	}
	d.Wait(n, n.Name+" accepts connections", query, acceptTimeout)
}
