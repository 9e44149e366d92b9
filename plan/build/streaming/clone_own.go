package streaming

import (
	"path"
	"slices"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// A base backup brings its source's postgresql.auto.conf along, and with it what belongs
// to the source: a set of standbys that it waits for as the primary, the slot and the
// delay that it has as a standby, addresses that it alone has. Before a clone starts for
// the first time that goes, and the clone's own is written. ALTER SYSTEM writes one line a
// parameter (PostgreSQL docs, 20.1.2).

// sourceOwn are the names, as regular expressions, of what a clone does not keep.
func sourceOwn() []string {
	return append(append(cluster.PrimaryOwn(), cluster.StandbyOwn()...),
		"recovery_target[a-z_]*", "promote_trigger_file",
		"port", "listen_addresses", "unix_socket_directories", "external_pid_file",
		"data_directory", "hba_file", "ident_file")
}

// ownSettings takes lines out of the clone's postgresql.auto.conf and adds its own.
const ownSettings = `file=$1 names=$2; shift 2; sed --in-place --regexp-extended "/^($names) *=/Id" "$file" && ` +
	`printf '%s\n' "$@" >>"$file" && sync "$file"`

// takeOwn makes the copy's postgresql.auto.conf its own. What its block sets goes too, or
// it would go before the block.
func takeOwn(s *cluster.Cluster, d *draft.Draft, sb *topology.Standby) {
	n := sb.Node
	names := sourceOwn()
	for _, l := range s.Lines(n) {
		if name := strings.ReplaceAll(l.Name, ".", "[.]"); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	argv := []string{"sh", "-c", ownSettings, "sh", path.Join(s.Found(n).Host.DataDir, cluster.AutoConf), strings.Join(names, "|")}
	argv = append(argv, conftext.FormatSetting("primary_conninfo", pg.FormatConnInfo(s.ConnInfo(sb))))
	if sb.Slot != "" {
		argv = append(argv, conftext.FormatSetting("primary_slot_name", sb.Slot))
	}
	if sb.ApplyDelay > 0 {
		argv = append(argv, conftext.FormatSetting("recovery_min_apply_delay", pg.Milliseconds(sb.ApplyDelay)))
	}
	d.Command(n, "remove the settings of its source from its "+cluster.AutoConf, argv...)
}
