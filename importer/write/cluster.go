package write

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/topology"
)

func (p *printer) cluster(c *topology.Cluster) {
	p.opens(c, "cluster", c.Name)
	if c.Version != 0 {
		p.attribute("version", strconv.Itoa(c.Version))
	}
	p.attribute("primary", p.refs[c.Primary])
	p.standbys(c)
	p.flag("slots", c.Slots, true)
	p.parameters(c, c.Parameters)
	p.replication(c)
	p.synchronous(c)
	p.mappings(c)
	for _, r := range c.Roles {
		p.role(r)
	}
	for _, db := range c.Databases {
		p.database(db)
	}
	for _, s := range c.PermanentSlots {
		p.slot(s)
	}
	p.about(c, "end")
	p.close()
}

// standbys writes those of which there is nothing to say in a list, and a block for each other.
func (p *printer) standbys(c *topology.Cluster) {
	plain := list.Kept(c.Standbys, func(s *topology.Standby) bool { return p.isPlain(c, s) })
	if len(plain) > 0 {
		p.attribute("standbys", p.list(nodesOf(plain)))
	}
	for _, s := range c.Standbys {
		if !p.isPlain(c, s) {
			p.standby(c, s)
		}
	}
}

// isPlain reports whether the list says all of a standby.
func (p *printer) isPlain(c *topology.Cluster, s *topology.Standby) bool {
	return s.Upstream == c.Primary && s.ApplyDelay == 0 && s.Slot == normalSlot(c, s) && len(s.Parameters) == 0 && len(p.document.Comments[Place{s, ""}]) == 0
}

func normalSlot(c *topology.Cluster, s *topology.Standby) string {
	if c.Slots {
		return s.Node.SlotName()
	}
	return ""
}

func (p *printer) standby(c *topology.Cluster, s *topology.Standby) {
	p.opens(s, "standby")
	p.attribute("node", p.refs[s.Node])
	if s.Upstream != c.Primary {
		p.attribute("upstream", p.refs[s.Upstream])
	}
	if s.ApplyDelay > 0 {
		p.attribute("apply_delay", quote(duration(s.ApplyDelay)))
	}
	switch {
	case s.Slot == normalSlot(c, s):
	case s.Slot == "":
		p.attribute("slot", "false")
	case s.Slot == s.Node.SlotName():
		p.attribute("slot", "true")
	default:
		p.attribute("slot", quote(s.Slot))
	}
	p.parameters(s, s.Parameters)
	p.close()
}

// duration writes a duration in its largest whole unit.
func duration(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}} {
		if d%u.unit == 0 {
			return fmt.Sprintf("%d%s", d/u.unit, u.name)
		}
	}
	return fmt.Sprintf("%dms", d.Milliseconds())
}

func nodesOf(all []*topology.Standby) []*topology.Node {
	nodes := make([]*topology.Node, len(all))
	for i, s := range all {
		nodes[i] = s.Node
	}
	return nodes
}

func (p *printer) list(nodes []*topology.Node) string {
	all := make([]string, len(nodes))
	for i, n := range nodes {
		all[i] = p.refs[n]
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// replication writes what is not the default. The role is named where another one fits too.
func (p *printer) replication(c *topology.Cluster) {
	r := c.Replication
	if r.Role == nil {
		return
	}
	fitting := list.Kept(c.Roles, func(x *topology.Role) bool { return x.Replication })
	names := len(fitting) != 1 || fitting[0] != r.Role
	plain := !names && r.SSLMode == "prefer" && r.Method == "scram-sha-256" && r.SSLRootCert+r.SSLCert+r.SSLKey == ""
	if plain && len(p.document.Comments[Place{c, "replication"}]) == 0 {
		return
	}
	p.about(c, "replication")
	if plain {
		return
	}
	p.begin("replication")
	if names {
		p.text("role", r.Role.Name, "")
	}
	p.text("method", r.Method, "scram-sha-256")
	p.text("sslmode", r.SSLMode, "prefer")
	p.text("sslrootcert", r.SSLRootCert, "")
	p.text("sslcert", r.SSLCert, "")
	p.text("sslkey", r.SSLKey, "")
	p.close()
}

func (p *printer) synchronous(c *topology.Cluster) {
	p.about(c, "synchronous")
	y := c.Synchronous
	if y == nil {
		return
	}
	p.begin("synchronous")
	p.text("method", y.Method, "any")
	if y.Number != 1 {
		p.attribute("number", strconv.Itoa(y.Number))
	}
	if !everyDirect(c) {
		p.attribute("standbys", p.list(y.Standbys))
	}
	p.close()
}

// everyDirect reports whether the set is the one that a block without standbys means.
func everyDirect(c *topology.Cluster) bool {
	direct := nodesOf(list.Kept(c.Standbys, func(s *topology.Standby) bool { return s.Upstream == c.Primary && s.ApplyDelay == 0 }))
	return slices.Equal(direct, c.Synchronous.Standbys)
}

// mappings writes the directories of tablespaces that differ.
func (p *printer) mappings(c *topology.Cluster) {
	p.about(c, "basebackup")
	all := c.BaseBackup.TablespaceMapping
	if len(all) == 0 {
		return
	}
	p.begin("basebackup")
	p.line("tablespace_mapping = {")
	p.depth++
	for _, from := range list.SortedKeys(all) {
		p.line(quote(from) + " = " + quote(all[from]))
	}
	p.close()
	p.close()
}

func (p *printer) role(r *topology.Role) {
	p.opens(r, "role", r.Name)
	p.flag("login", r.Login, true)
	p.flag("superuser", r.Superuser, false)
	p.flag("replication", r.Replication, false)
	p.flag("createdb", r.CreateDB, false)
	p.flag("createrole", r.CreateRole, false)
	p.flag("inherit", r.Inherit, true)
	p.flag("bypassrls", r.BypassRLS, false)
	if r.Password.IsSet() {
		p.attribute("password", r.Password.Ref)
	}
	if r.ConnectionLimit != -1 {
		p.attribute("connection_limit", strconv.Itoa(r.ConnectionLimit))
	}
	p.parameters(r, r.Parameters)
	p.close()
}

func (p *printer) database(db *topology.Database) {
	p.opens(db, "database", db.Name)
	p.text("owner", db.Owner, "")
	p.text("encoding", db.Encoding, "")
	p.text("locale", db.Locale, "")
	p.parameters(db, db.Parameters)
	p.close()
}

func (p *printer) slot(s *topology.Slot) {
	p.opens(s, "slot", s.Name)
	p.text("type", s.Type, topology.SlotPhysical)
	if s.Plugin != "pgoutput" {
		p.text("plugin", s.Plugin, "")
	}
	p.text("database", s.Database, "")
	p.flag("two_phase", s.TwoPhase, false)
	p.flag("failover", s.Failover, false)
	p.lifecycle(s.Lifecycle)
	p.close()
}
