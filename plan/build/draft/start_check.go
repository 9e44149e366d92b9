package draft

import (
	_ "embed"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// A restart puts more into force than the change that asks for it: every value that
// waits in the files, whoever wrote it. So each such value is listed under the restart,
// and before the server goes down its own program is asked whether it would start with
// the files that are there (PostgreSQL docs, postgres -C, 20.5 to 20.7).

// StartCheck is the script that asks the server's program; what it looks at beyond that
// is what the program looks at only once it starts.
//
//go:embed start_check.sh
var StartCheck string

// filesInOrder is true while the running server reads both files without an error.
var filesInOrder = "SELECT CASE WHEN EXISTS (" + HBAErrors + ")\n  OR EXISTS (" + ConfErrors + ")\nTHEN 'failed' ELSE 't' END,\n" +
	"  concat_ws('; ', (SELECT string_agg(concat_ws(' ', 'pg_hba.conf line', line_number, reason), '; ') FROM (" + HBAErrors + ") h),\n" +
	"  (SELECT string_agg(concat_ws(' ', sourcefile, 'line', sourceline, name, error), '; ') FROM (" + ConfErrors + ") c))"

// CheckStart adds the steps that stop the change while the server still runs; options are
// for its program, beside those that it is started with.
func CheckStart(s *cluster.Cluster, d *Draft, n *topology.Node, options ...string) {
	f := s.Found(n)
	d.Wait(n, "the files of "+n.Name+" have no errors", filesInOrder, SettleTimeout)
	argv := startArgv(s, n, "restart")
	for _, name := range list.SortedKeys(f.Server.Settings) {
		setting := f.Server.Settings[name]
		if setting.Source == "command line" && name != "config_file" && name != "data_directory" && setting.Context != "internal" {
			argv = append(argv, "-c", name+"="+setting.Value)
		}
	}
	d.Step(n, "verify that "+n.Name+" would start again", plan.Command{
		Argv: append(argv, options...), Timeout: SettleTimeout,
		Remedy: n.Name + " is still running: it was not restarted. Fix the value that is named, in the topology or in the server's " +
			"files, and apply again.",
	})
}

// CheckFirst adds the step that stops the change before a server starts that does not run.
func CheckFirst(s *cluster.Cluster, d *Draft, n *topology.Node) {
	d.Step(n, "verify that "+n.Name+" would start", plan.Command{
		Argv: startArgv(s, n, "start"), Timeout: SettleTimeout,
		Remedy: n.Name + " was not started. Fix what is named, in the topology or in the server's files, and apply again.",
	})
}

// startArgv is the command line that asks the program of n: it starts again as what it runs as, and
// for the first time as what the topology has it, a standby with standby.signal or a primary without.
func startArgv(s *cluster.Cluster, n *topology.Node, verb string) []string {
	h, role := s.Found(n).Host, "primary"
	if server := s.Found(n).Server; server != nil && server.InRecovery || (server == nil || verb == "start") && s.Cluster.Standby(n) != nil {
		role = "standby"
	}
	return []string{"sh", "-c", StartCheck, "sh", cluster.Binary(h, "postgres"), h.DataDir, role, verb, "-D", h.DataDir, "-c", "config_file=" + h.Conf.Path}
}
