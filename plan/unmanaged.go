package plan

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
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

func unmanaged(s *scope, out *findings) {
	if s.live() != nil {
		s.unmanagedRoles(out)
		s.unmanagedDatabases(out)
	}
	for _, n := range s.cluster.Members() {
		if s.running(n) && !s.recloned(n) {
			s.unmanagedRules(n, out)
			s.unmanagedParameters(n, out)
		}
	}
}

// unmanagedRoles reports roles but the one that initdb made.
func (s *scope) unmanagedRoles(out *findings) {
	for _, r := range s.live().Roles {
		if r.Bootstrap || s.cluster.Role(r.Name) != nil || s.isOurs(object{kind: "role", name: r.Name}) {
			continue
		}
		text := "role " + ident(r.Name)
		if may := mighty(r.Role); may != "" {
			text += " with " + may
		}
		out.unmanage(noticeRole, s.address("role", r.Name), s.cluster.Primary.Name, text)
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
func (s *scope) unmanagedDatabases(out *findings) {
	for _, db := range s.live().Databases {
		made := []string{maintenance, "template0", "template1"}
		if slices.Contains(made, db.Name) || s.cluster.Database(db.Name) != nil || s.isOurs(object{kind: "database", name: db.Name}) {
			continue
		}
		out.unmanage(noticeDatabase, s.address("database", db.Name), s.cluster.Primary.Name, fmt.Sprintf("database %s, %s", ident(db.Name), bytesText(db.Bytes)))
	}
}

// unmanagedRules reports the rules of pg_hba.conf outside of the block, and warns of one
// that lets clients of other machines in without a password.
func (s *scope) unmanagedRules(n *topology.Node, out *findings) {
	for _, r := range s.theirRules(n) {
		at := fmt.Sprintf("%s:%d: %s", r.path, r.line, hbaLine(r.shown()))
		out.unmanage(noticeRule, s.hbaAddress(n), n.Name, at)
		if r.Method == "trust" && remote(r.HBARule) {
			out.tellHealth(Warning, s.hbaAddress(n), "Remove the rule, or give it another method; repltool leaves rules outside its block alone.",
				"%s accepts connections from other machines without a password: %s", n.Name, at)
		}
	}
}

// remote tells whether a rule is for other machines as well.
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
func (s *scope) unmanagedParameters(n *topology.Node, out *findings) {
	last := lastLines(s.found(n).Server)
	ours := append(standbyOwn(), syncNames)
	if s.failsOver() || n != s.cluster.Primary {
		ours = append(ours, syncedSlots)
	}
	for _, name := range sortedKeys(last) {
		if path.Base(last[name].File) != autoConf || slices.Contains(ours, name) || hasLine(s.lines(n), name) {
			continue
		}
		out.unmanage(noticeParameter, s.parametersAddress(n), n.Name, name+", set by ALTER SYSTEM")
	}
}

// standbyOwn are the parameters that a standby has in postgresql.auto.conf.
func standbyOwn() []string {
	return []string{"primary_conninfo", "primary_slot_name", "recovery_min_apply_delay"}
}

// lastLines answers, of every parameter in the server's files, the line that counts.
func lastLines(server *facts.Server) map[string]facts.FileSetting {
	last := map[string]facts.FileSetting{}
	for _, f := range server.FileSettings {
		last[f.Name] = f
	}
	return last
}
