package plan

import (
	"path"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/topology"
)

// A base backup brings its source's postgresql.auto.conf along, and with it what belongs
// to the source: a set of standbys that it waits for as the primary, the slot and the
// delay that it has as a standby, addresses that it alone has. Before a clone starts for
// the first time that goes, and the clone's own is written. ALTER SYSTEM writes one line a
// parameter (PostgreSQL docs, 20.1.2).

// primaryOwn are the parameters that mean something on a primary only: on a standby they
// wait for its promotion, and would make it wait for the standbys of another one.
func primaryOwn() []string { return []string{syncNames, syncedSlots} }

// sourceOwn are the names, as regular expressions, of what a clone does not keep.
func sourceOwn() []string {
	return append(append(primaryOwn(), standbyOwn()...),
		"recovery_target[a-z_]*", "promote_trigger_file",
		"port", "listen_addresses", "unix_socket_directories", "external_pid_file",
		"data_directory", "hba_file", "ident_file")
}

// ownSettings takes lines out of the clone's postgresql.auto.conf and adds its own.
const ownSettings = `file=$1 names=$2; shift 2; sed --in-place --regexp-extended "/^($names) *=/Id" "$file" && ` +
	`printf '%s\n' "$@" >>"$file" && sync "$file"`

// takeOwn makes the copy's postgresql.auto.conf its own. What its block sets goes too, or
// it would go before the block.
func (s *scope) takeOwn(d *draft, sb *topology.Standby) {
	n := sb.Node
	names := sourceOwn()
	for _, l := range s.lines(n) {
		if name := strings.ReplaceAll(l.name, ".", "[.]"); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	argv := []string{"sh", "-c", ownSettings, "sh", path.Join(s.found(n).Host.DataDir, autoConf), strings.Join(names, "|")}
	argv = append(argv, conftext.FormatSetting("primary_conninfo", formatConnInfo(s.connInfo(sb))))
	if sb.Slot != "" {
		argv = append(argv, conftext.FormatSetting("primary_slot_name", sb.Slot))
	}
	if sb.ApplyDelay > 0 {
		argv = append(argv, conftext.FormatSetting("recovery_min_apply_delay", milliseconds(sb.ApplyDelay)))
	}
	d.command(n, "take its source's settings out of its "+autoConf, argv...)
}

// copyConn is how pg_basebackup connects: under its own name, so that no synchronous set
// takes it for the standby.
func (s *scope) copyConn(sb *topology.Standby) map[string]string {
	c := s.connInfo(sb)
	c[applicationKey] = facts.BaseBackup
	return c
}

// compareOwn resets what a standby has by ALTER SYSTEM that only a primary needs: a copy
// brought it along, and it would be in force after a promotion.
func (c *paramChange) compareOwn() {
	if c.scope.cluster.Standby(c.node) == nil {
		return
	}
	last := lastLines(c.found.Server)
	for _, name := range primaryOwn() {
		if path.Base(last[name].File) != autoConf || hasLine(c.lines, name) {
			continue
		}
		c.reset = append(c.reset, name)
		c.diffs = append(c.diffs, Attribute{
			Name: name, Before: ptr(literal(last[name].Value)), After: ptr(literal(c.withoutSystem(name))),
			Note: "a standby does not use it, and after a promotion it would name the standbys of another primary",
		})
	}
}

// withoutSystem answers the value that a parameter has without ALTER SYSTEM.
func (c *paramChange) withoutSystem(name string) string {
	value := c.found.Server.Settings[name].Boot
	for _, f := range c.found.Server.FileSettings {
		if f.Name == name && path.Base(f.File) != autoConf {
			value = f.Value
		}
	}
	return value
}
