package check

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/repltool/repltool/doctor"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// What is on the servers and in nobody's topology: reported, never touched. Slots,
// publications and subscriptions report with their own kinds, since they hold something
// back; what stands here is usually many and usually harmless, so that a person is shown
// counts and -verbose the list. Kinds of notices:
const (
	noticeRole      = "role"
	noticeDatabase  = "database"
	noticeRule      = "hba rule"
	noticeParameter = "parameter"
)

func Unmanaged(s *cluster.Cluster, out *draft.Findings) {
	if s.Live() != nil {
		unmanagedRoles(s, out)
		unmanagedDatabases(s, out)
	}
	for _, n := range s.Cluster.Members() {
		if s.Running(n) && !s.Recloned(n) {
			unmanagedRules(s, n, out)
			unmanagedParameters(s, n, out)
		}
	}
}

// unmanagedRoles reports roles but the one that initdb made.
func unmanagedRoles(s *cluster.Cluster, out *draft.Findings) {
	for _, r := range s.Live().Roles {
		if r.Bootstrap || s.Cluster.Role(r.Name) != nil || s.IsOurs(cluster.Object{Kind: "role", Name: r.Name}) {
			continue
		}
		text := "role " + pg.Ident(r.Name)
		if may := mighty(r.Role); may != "" {
			text += " with " + may
		}
		out.ReportUnmanagedKind("unmanaged_role", noticeRole, s.Address("role", r.Name), s.Leading().Name, text)
	}
}

// mighty names the attributes of a role that reach beyond its own objects.
func mighty(r topology.Role) string {
	var may []string
	for _, a := range []struct {
		has  bool
		name string
	}{{r.Superuser, "SUPERUSER"}, {r.Replication, "REPLICATION"}, {r.BypassRLS, "BYPASSRLS"}, {r.CreateRole, "CREATEROLE"}, {r.CreateDB, "CREATEDB"}} {
		if a.has {
			may = append(may, a.name)
		}
	}
	if len(may) > 0 && r.Login {
		may = append(may, "LOGIN")
	}
	return strings.Join(may, ", ")
}

// unmanagedDatabases reports databases but those that initdb made.
func unmanagedDatabases(s *cluster.Cluster, out *draft.Findings) {
	for _, db := range s.Live().Databases {
		made := []string{pg.Maintenance, "template0", "template1"}
		if slices.Contains(made, db.Name) || s.Cluster.Database(db.Name) != nil || s.IsOurs(cluster.Object{Kind: "database", Name: db.Name}) {
			continue
		}
		out.ReportUnmanagedKind("unmanaged_database", noticeDatabase, s.Address("database", db.Name), s.Leading().Name, fmt.Sprintf("database %s, %s", pg.Ident(db.Name), words.BytesText(db.Bytes)))
	}
}

// unmanagedRules reports the rules of pg_hba.conf outside of the block, and warns of one
// that lets clients of other machines in without a password.
func unmanagedRules(s *cluster.Cluster, n *topology.Node, out *draft.Findings) {
	for _, r := range s.TheirRules(n) {
		at := fmt.Sprintf("%s:%d: %s", r.Path, r.Line, cluster.HBALine(shown(r)))
		out.ReportUnmanagedKind("unmanaged_hba_rule", noticeRule, s.HBAAddress(n), n.Name, at)
		if r.Method == "trust" && remote(r.HBARule) {
			out.Report(doctor.Finding{
				Code: "trust_rule_for_other_machines", Severity: doctor.Warning, Address: s.HBAAddress(n), Node: n.Name,
				Evidence: "pg_hba_file_rules on " + n.Name,
				Fix:      "Remove the rule, or change its method; repltool does not change rules outside its block.",
			}, "pg_hba.conf of %s lets other machines in without a password: %s", n.Name, at)
		}
	}
}

// remote reports whether a rule is for other machines as well.
func remote(r topology.HBARule) bool {
	switch {
	case r.Type == "local", r.Address == "samehost":
		return false
	}
	prefix, err := netip.ParsePrefix(r.Address)
	return err != nil || !prefix.Addr().IsLoopback() || prefix.Bits() < 8
}

// unmanagedParameters reports what ALTER SYSTEM has set and the topology does not have,
// without what a standby keeps there. Values may hold what must not be shown.
func unmanagedParameters(s *cluster.Cluster, n *topology.Node, out *draft.Findings) {
	last := cluster.LastLines(s.Found(n).Server)
	ours := append(cluster.StandbyOwn(), cluster.SyncNames)
	if s.FailsOver() || n != s.Goal.Primary {
		ours = append(ours, cluster.SyncedSlots)
	}
	for _, name := range list.SortedKeys(last) {
		if path.Base(last[name].File) != cluster.AutoConf || slices.Contains(ours, name) || cluster.HasLine(s.Lines(n), name) {
			continue
		}
		out.ReportUnmanagedKind("unmanaged_parameter", noticeParameter, s.ParametersAddress(n), n.Name, name+", set by ALTER SYSTEM")
	}
}
