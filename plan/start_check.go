package plan

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/topology"
)

// A restart puts more into force than the change that asks for it: every value that
// waits in the files, whoever wrote it. So each such value is listed under the restart,
// and before the server goes down its own program is asked whether it would start with
// the files that are there (PostgreSQL docs, postgres -C, 20.5 to 20.7).

// startCheck is the script that asks the server's program; what it looks at beyond that
// is what the program looks at only once it starts.
//
//go:embed start_check.sh
var startCheck string

// filesInOrder is true while the running server reads both files without an error.
var filesInOrder = "SELECT CASE WHEN EXISTS (" + hbaErrors + ")\n  OR EXISTS (" + confErrors + ")\nTHEN 'failed' ELSE 't' END,\n" +
	"  concat_ws('; ', (SELECT string_agg(concat_ws(' ', 'pg_hba.conf line', line_number, reason), '; ') FROM (" + hbaErrors + ") h),\n" +
	"  (SELECT string_agg(concat_ws(' ', sourcefile, 'line', sourceline, name, error), '; ') FROM (" + confErrors + ") c))"

// checkStart adds the steps that stop the change while the server still runs.
func (s *scope) checkStart(d *draft, n *topology.Node) {
	f := s.found(n)
	d.wait(n, "no errors in the files of "+n.Name, filesInOrder, settleTimeout)
	argv := []string{"sh", "-c", startCheck, "sh", binary(f.Host, "postgres"), f.Host.DataDir, "-D", f.Host.DataDir, "-c", "config_file=" + f.Host.Conf.Path}
	for _, name := range sortedKeys(f.Server.Settings) {
		setting := f.Server.Settings[name]
		if setting.Source == "command line" && name != "config_file" && name != "data_directory" && setting.Context != "internal" {
			argv = append(argv, "-c", name+"="+setting.Value)
		}
	}
	d.step(n, "verify that "+n.Name+" would start again", Command{
		Argv: argv, Timeout: settleTimeout,
		Remedy: n.Name + " still runs: it was not restarted. Fix the value that is named, in the topology or in the server's files, and apply again.",
	})
}

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
		waits := waitsForRestart(c.found.Server, fs) || setting.PendingRestart && !same(setting, setting.Value, p.value)
		if known && waits && !hasLine(c.lines, p.name) && !differs(c.diffs, p.name) {
			all = append(all, p)
		}
	}
	return all
}

// tellPending lists them under the restart, and refuses those that would make the node
// another server, or keep it from starting over what it holds.
func (c *paramChange) tellPending(out *findings) {
	if !c.restart {
		return
	}
	c.checkRole(out)
	for _, p := range c.pendings() {
		setting := c.found.Server.Settings[p.name]
		if why := c.refusesPending(p); why != "" {
			out.fail(c.scope.rangeOf(c.node), "Pending restart value would break the node",
				"%s: %s = '%s' (%s) waits for a restart, and this plan restarts %s: %s. Remove that line, or make that change by hand first, then plan again.",
				c.node.Name, p.name, p.value, p.where, c.node.Name, why)
			continue
		}
		c.diffs = append(c.diffs, Attribute{
			Name: p.name, Before: ptr(withUnit(setting, setting.Value)), After: ptr(withUnit(setting, p.value)),
			Note: "not of this topology; this restart puts it into force: " + p.where,
		})
	}
}

// checkRole refuses a restart that would make a primary of a standby, or the other way round:
// what a server is at its start follows from standby.signal, not from what it was before.
func (c *paramChange) checkRole(out *findings) {
	if c.found.Host == nil || c.scope.recloned(c.node) {
		return
	}
	if what, fix := otherRole(c.node, c.found); what != "" {
		out.fail(c.scope.rangeOf(c.node), "Restart would change the role of the server",
			"%s, and this plan restarts %s. Fix that first, then plan again. %s", what, c.node.Name, fix)
	}
}

// refusesPending tells why a restart with that value must not be; "" when it may.
func (c *paramChange) refusesPending(p pending) string {
	server := c.found.Server
	limit := func(holds int, what string) string {
		if number(server.Settings[p.name], p.value) >= float64(holds) {
			return ""
		}
		return fmt.Sprintf("it holds %s, and a server does not start with a lower limit", counted(holds, what))
	}
	switch p.name {
	case "data_directory":
		return "it would start on another data directory than the one in use"
	case "hba_file":
		return "the rules of " + server.Settings[p.name].Value + ", which it uses now, would no longer be in force"
	case "port", "unix_socket_directories":
		return "repltool and the other nodes would no longer find it at its address"
	case "max_replication_slots":
		return limit(len(persistent(server.Slots, "")), "replication slot")
	case "max_prepared_transactions":
		return limit(server.Prepared, "prepared transaction")
	}
	return ""
}
