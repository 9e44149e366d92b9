package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
)

// pending is a value of somebody else's that waits in the files for a restart.
type pending struct {
	name, value, where string
}

// pendings answers what a restart of the node puts into force beside its own changes.
func (c *paramChange) pendings() []pending {
	const removed = `" cannot be changed without restarting the server`
	var all []pending
	for _, fs := range c.found.Server.FileSettings {
		p := pending{name: fs.Name, value: fs.Value, where: fmt.Sprintf("set in %s, line %d", fs.File, fs.Line)}
		if name, ok := strings.CutSuffix(strings.TrimPrefix(fs.Error, `parameter "`), removed); ok {
			p = pending{name: name, value: c.found.Server.Settings[name].Boot, where: "removed from the files"}
		}
		all = slices.DeleteFunc(all, func(earlier pending) bool { return earlier.name == p.name }) // the last line counts
		setting, known := c.found.Server.Settings[p.name]
		waits := cluster.WaitsForRestart(c.found.Server, fs) || setting.PendingRestart && !cluster.Same(setting, setting.Value, p.value)
		if known && waits && !cluster.HasLine(c.lines, p.name) && !cluster.Differs(c.diffs, p.name) {
			all = append(all, p)
		}
	}
	return all
}

// tellPending lists them under the restart, and refuses those that would make the node
// another server, or keep it from starting over what it holds.
func (c *paramChange) tellPending(out *draft.Findings) {
	if !c.restart {
		return
	}
	c.checkRole(out)
	for _, p := range c.pendings() {
		setting := c.found.Server.Settings[p.name]
		if why := c.refusesPending(p); why != "" {
			out.Fail(c.scope.RangeOf(c.node), "Pending restart value would break the node",
				"%s: %s = '%s' (%s) waits for a restart, and this plan restarts %s: %s. Remove that line, or make that change by hand first, then plan again.",
				c.node.Name, p.name, p.value, p.where, c.node.Name, why)
			continue
		}
		c.diffs = append(c.diffs, plan.Attribute{
			Name: p.name, Before: plan.Ptr(cluster.WithUnit(setting, setting.Value)), After: plan.Ptr(cluster.WithUnit(setting, p.value)),
			Note: "not of this topology; this restart puts it into force: " + p.where,
		})
	}
}

// checkRole refuses a restart that would make a primary of a standby, or the other way round:
// what a server is at its start follows from standby.signal, not from what it was before.
func (c *paramChange) checkRole(out *draft.Findings) {
	if c.found.Host == nil || c.scope.Recloned(c.node) {
		return
	}
	if what, fix := cluster.OtherRole(c.node, c.found); what != "" {
		out.Fail(c.scope.RangeOf(c.node), "Restart would change the role of the server",
			"%s, and this plan restarts %s. Fix that first, then plan again. %s", what, c.node.Name, fix)
	}
}

// refusesPending tells why a restart with that value must not be; "" when it may.
func (c *paramChange) refusesPending(p pending) string {
	server := c.found.Server
	limit := func(holds int, what string) string {
		if cluster.Number(server.Settings[p.name], p.value) >= float64(holds) {
			return ""
		}
		return fmt.Sprintf("it holds %s, and a server does not start with a lower limit", words.Counted(holds, what))
	}
	switch p.name {
	case "data_directory":
		return "it would start on another data directory than the one in use"
	case "hba_file":
		return "the rules of " + server.Settings[p.name].Value + ", which it uses now, would no longer be in force"
	case "port", "unix_socket_directories":
		return "repltool and the other nodes would no longer find it at its address"
	case "max_replication_slots":
		return limit(len(cluster.Persistent(server.Slots, "")), "replication slot")
	case "max_prepared_transactions":
		return limit(server.Prepared, "prepared transaction")
	}
	return ""
}
