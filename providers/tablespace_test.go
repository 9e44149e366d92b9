package providers

import (
	"testing"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// A clone preloads what its source does by a file in the data directory, and that alone.
func TestCarriedLibraries(t *testing.T) {
	pg1, pg2 := &topology.Node{Name: "pg1"}, &topology.Node{Name: "pg2"}
	sb := &topology.Standby{Node: pg2, Upstream: pg1}
	for file, want := range map[string]string{
		"/var/lib/postgresql/15/main/postgresql.auto.conf": "pg_cron",
		"/etc/postgresql/15/main/postgresql.conf":          "",
		"": "",
	} {
		source := &facts.Node{
			Host:   &facts.Host{DataDir: "/var/lib/postgresql/15/main"},
			Server: &facts.Server{Settings: map[string]facts.Setting{"shared_preload_libraries": {Value: "pg_cron", SourceFile: file}}},
		}
		c := &topology.Cluster{Primary: pg1, Standbys: []*topology.Standby{sb}}
		if got := carriedLibraries(c, sb, facts.Facts{Nodes: map[string]*facts.Node{"pg1": source}}); got != want {
			t.Errorf("%q: %q, want %q", file, got, want)
		}
	}
}
