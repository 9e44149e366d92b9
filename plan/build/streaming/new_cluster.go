package streaming

import (
	"path"
	"slices"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// On Debian a new cluster gets more than initdb writes: pg_createcluster gives it the
// certificate of the package ssl-cert, and the settings of the site's createcluster.conf.
// The files of a standby are made from those of initdb, and for data that are there
// pg_createcluster sets no certificate and no waldir. A standby gets the certificate as its
// primary has it, and the plan shows what else the site adds.

// newClusterTLS turns TLS on in the first files of a standby whose primary has it.
func newClusterTLS(s *cluster.Cluster, d *draft.Draft, n *topology.Node) {
	h := s.Found(n).Host
	if h.Layout != facts.LayoutDebian || len(h.NewClusterTLS) == 0 || !clusterHasTLS(s) {
		return
	}
	argv := []string{"sh", "-c", `file=$1; shift; printf '%s\n' "$@" >>"$file"`, "sh", path.Join(cluster.InitialDir(h), "postgresql.conf")}
	d.Command(n, "give it the certificate of a new cluster, as its primary has TLS", append(argv, h.NewClusterTLS...)...)
}

// clusterHasTLS reports whether the member that leads has TLS, or will have it as a new cluster.
func clusterHasTLS(s *cluster.Cluster) bool {
	if s.Live() != nil {
		return s.Live().InForce("ssl") == "on"
	}
	h := s.Found(s.Goal.Primary).Host
	return h != nil && len(h.NewClusterTLS) > 0
}

// newClusterConf says in the reason of the change what createcluster.conf of the machine puts
// into the new files, and what of it is not used. What Debian ships it with is left out.
func newClusterConf(s *cluster.Cluster, d *draft.Draft, n *topology.Node) {
	h := s.Found(n).Host
	if h.Layout != facts.LayoutDebian {
		return
	}
	shipped := []string{"create_main_cluster", "ssl", "cluster_name", "stats_temp_directory", "log_line_prefix", "add_include_dir"}
	var used, unused []string
	for _, f := range conftext.ParseConf(h.NewClusterConf) {
		name, standby := strings.ToLower(f.Name), s.Cluster.Standby(n) != nil
		switch {
		case slices.Contains(shipped, name) || strings.HasPrefix(name, "include"):
		case name == "data_directory", standby && slices.Contains([]string{"waldir", "xlogdir", "initdb_options"}, name):
			unused = append(unused, f.Name)
		default:
			used = append(used, f.Name+" = "+f.Value)
		}
	}
	if len(used) > 0 {
		d.Reason = joinReasons(d.Reason, "createcluster.conf on "+n.Name+" adds "+pg.Join(used...))
	}
	if len(unused) > 0 {
		d.Reason = joinReasons(d.Reason, "createcluster.conf on "+n.Name+" has "+pg.Join(unused...)+", not used here: the topology says where data_dir and wal_dir are")
	}
}

func joinReasons(a, b string) string { return strings.TrimPrefix(a+"; "+b, "; ") }
