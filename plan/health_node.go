package plan

import (
	"fmt"
	"path"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// What is wrong with a node by itself, today or at its next start.

func (s *scope) nodeHealth(n *topology.Node, out *findings) {
	f := s.found(n)
	if f.Host == nil || s.recloned(n) {
		return
	}
	h := f.Host
	bad := func(severity Severity, hint, format string, args ...any) {
		out.tellHealth(severity, s.nodeAddress(n), hint, format, args...)
	}
	if h.Service.Outside {
		bad(Warning, "a restart by repltool moves it into the unit; by hand: stop it as it was started, then systemctl start "+h.Service.Unit,
			"%s runs outside its unit %s: systemd neither watches nor stops it", n.Name, h.Service.Unit)
	}
	if h.Aside && h.AsideJob == nil {
		bad(Warning, "Look at it and remove it: no record says that repltool made it.", "%s: %s%s exists beside the data directory", n.Name, h.DataDir, Aside)
	}
	if c := h.Service.StartConf; c != "" && c != "auto" && h.Data.State == facts.DataCluster {
		bad(Warning, fmt.Sprintf("To fix: write auto into %s on %s.", path.Join(path.Dir(h.Conf.Path), "start.conf"), n.Name),
			"%s does not start when its machine boots: start.conf says %s", n.Name, c)
	}
	if mode := h.Data.Mode; mode&^0o750 != 0 && h.Data.State == facts.DataCluster {
		bad(Error, fmt.Sprintf("To fix: chmod 0700 %s on %s.", h.DataDir, n.Name),
			"%s does not start again: its data directory has mode %04o, and PostgreSQL accepts 0700 and 0750", n.Name, mode)
	}
	if f.Server != nil {
		s.serverHealth(n, f, bad)
	}
}

func (s *scope) serverHealth(n *topology.Node, f *facts.Node, bad func(Severity, string, string, ...any)) {
	if what, fix := otherRole(n, f); what != "" {
		bad(Error, fix, "%s", what)
	}
	for _, name := range []string{"fsync", "full_page_writes"} {
		if f.Server.InForce(name) == "off" && !s.given(n, name) {
			bad(Error, fmt.Sprintf("To fix on %s: ALTER SYSTEM RESET %s; SELECT pg_reload_conf(); and take it out of the files.", n.Name, name),
				"%s runs with %s = off: a crash of its machine can corrupt its data beyond repair", n.Name, name)
		}
	}
	for _, r := range f.Server.Roles {
		s.roleInDatabases(n, r, bad)
		s.roleExpired(n, r, bad)
	}
}

// otherRole tells of a server whose next start gives it another role than the one it has, and
// what to do about it; "" and "" where it stays what it is. Promotion removes the file, so a
// running primary has none unless it was made by hand.
func otherRole(n *topology.Node, f *facts.Node) (what, fix string) {
	file := path.Join(f.Host.DataDir, "standby.signal")
	switch {
	case f.Server.InRecovery && !f.Host.StandbySignal:
		return n.Name + " is a standby whose standby.signal is gone: after its next restart it would be a second primary",
			fmt.Sprintf("To fix, as %s on %s: touch %s", f.Host.OSUser, n.Name, file)
	case !f.Server.InRecovery && f.Host.StandbySignal:
		return n.Name + " is a primary with standby.signal in its data directory: after its next restart it would be a standby, and nobody could write",
			fmt.Sprintf("To fix, as %s on %s: rm %s", f.Host.OSUser, n.Name, file)
	}
	return "", ""
}

// given tells whether the topology itself sets a parameter of n.
func (s *scope) given(n *topology.Node, name string) bool { return hasLine(s.givenLines(n), name) }

// roleExpired reports a password that is no longer accepted, though the topology does not say
// so: who is connected stays connected, and cannot log in again.
func (s *scope) roleExpired(n *topology.Node, found facts.Role, bad func(Severity, string, string, ...any)) {
	r := s.cluster.Role(found.Name)
	if r == nil || n != s.cluster.Primary || !found.Expired || !r.Login || !r.Password.IsSet() {
		return
	}
	replicates := r == s.cluster.Replication.Role && len(s.cluster.Standbys) > 0
	if !replicates && (r.ValidUntil != "" || s.ignores(r.Lifecycle, "role", "valid_until")) {
		return
	}
	who := "nobody who uses it can log in"
	if replicates {
		who = "a standby that loses its connection cannot log in again"
	}
	bad(Error, fmt.Sprintf("To fix, write valid_until = \"infinity\" into role %q of %s, or a later time.", r.Name, s.cluster.ID),
		"the password of role %s expired at %s: %s", ident(r.Name), found.ValidUntil, who)
}

// roleInDatabases reports parameters of a role in one database, which go before those that
// the topology gives the role.
func (s *scope) roleInDatabases(n *topology.Node, found facts.Role, bad func(Severity, string, string, ...any)) {
	r := s.cluster.Role(found.Name)
	if r == nil || n != s.cluster.Primary {
		return
	}
	for _, database := range sortedKeys(found.InDatabase) {
		for _, name := range sortedKeys(found.InDatabase[database]) {
			wanted, is := r.Parameters[name]
			value := found.InDatabase[database][name].Value
			if !is || s.sameParameter(name, value, wanted) || s.ignores(r.Lifecycle, "roles", "parameters") {
				continue
			}
			bad(Error, fmt.Sprintf("To fix: ALTER ROLE %s IN DATABASE %s RESET %s;", ident(r.Name), ident(database), parameterName(name)),
				"role %s has %s = %s in database %s, which overrides the topology's", ident(r.Name), name, literal(value), ident(database))
		}
	}
}
