package doctor

import (
	"fmt"
	"path"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/topology"
)

// What is wrong with a node by itself, today or at its next start.

func nodeHealth(s *cluster.Cluster, n *topology.Node, out *Findings) {
	f := s.Found(n)
	divergence(s, n, out)
	if f.Host == nil || s.Recloned(n) {
		return
	}
	h := f.Host
	at := func(code, evidence, hint string) Finding {
		return Finding{Code: code, Severity: Warning, Address: s.NodeAddress(n), Node: n.Name, Evidence: view(evidence, n.Name), Fix: hint}
	}
	if s.IsDown(n) {
		down := at("node_down", "the data directory, postmaster.pid and the socket", "Its log says why it went down. The plan says whether repltool can start it, or what must be fixed first.")
		down.Severity = Error
		if w := s.Switchover(); w != nil && w.Stopped && n == w.From {
			down.Fix = "An apply stopped it to move the primary, and was interrupted. Apply again: that completes the move, or takes it back."
		}
		out.report(down, "%s is down", n.Name)
	}
	if h.Service.Outside {
		out.report(at("outside_systemd_unit", "the processes of the unit "+h.Service.Unit, "The next restart by repltool moves it into the unit. By hand: stop it as it was started, then run systemctl start "+h.Service.Unit+"."),
			"%s runs outside its systemd unit %s: systemd neither monitors nor stops it", n.Name, h.Service.Unit)
	}
	if h.Aside && h.AsideJob == nil {
		out.report(at("old_data_directory_unknown", "the directory and the records of jobs", "Check it and remove it: no record says that repltool created it."), "%s: %s%s exists beside the data directory", n.Name, h.DataDir, cluster.Aside)
	}
	if c := h.Service.StartConf; c != "" && c != "auto" && h.Data.State == facts.DataCluster {
		out.report(at("not_started_at_boot", "start.conf", fmt.Sprintf("Write auto to %s on %s.", path.Join(path.Dir(h.Conf.Path), "start.conf"), n.Name)),
			"%s does not start when its host boots: start.conf says %s", n.Name, c)
	}
	if secret := sensitiveLine(s, n); secret != "" && h.Conf.Exists && h.Conf.Mode&0o007 != 0 {
		out.report(at("readable_secret", "the mode of "+h.Conf.Path, fmt.Sprintf("Run chmod o-rwx %s on %s.", h.Conf.Path, n.Name)),
			"%s has the sensitive parameter %s in clear text in %s, which every user of its machine can read (mode %04o)", n.Name, secret, h.Conf.Path, h.Conf.Mode)
	}
	if mode := h.Data.Mode; mode&^0o750 != 0 && h.Data.State == facts.DataCluster {
		open := at("data_directory_mode", "the mode of "+h.DataDir, fmt.Sprintf("Run chmod 0700 %s on %s.", h.DataDir, n.Name))
		open.Severity = Error
		out.report(open,
			"%s would not start again: its data directory has mode %04o, and PostgreSQL accepts only 0700 and 0750", n.Name, mode)
	}
	if f.Server != nil {
		serverHealth(s, n, f, out)
	}
}

// sensitiveLine returns the first sensitive parameter that the topology gives n; "" for none.
func sensitiveLine(s *cluster.Cluster, n *topology.Node) string {
	for _, l := range s.GivenLines(n) {
		if l.Secret.IsSet() {
			return l.Name
		}
	}
	return ""
}

func serverHealth(s *cluster.Cluster, n *topology.Node, f *facts.Node, out *Findings) {
	at := func(code, evidence, hint string) Finding {
		return Finding{Code: code, Severity: Error, Address: s.NodeAddress(n), Node: n.Name, Evidence: view(evidence, n.Name), Fix: hint}
	}
	if what, fix := cluster.OtherRole(n, f); what != "" {
		out.report(at("role_changes_at_restart", "standby.signal and pg_is_in_recovery()", fix), "%s", what)
	}
	checkTLSLikeLeader(s, n, f, out)
	for _, name := range []string{"fsync", "full_page_writes"} {
		if f.Server.InForce(name) == "off" && !s.Given(n, name) {
			out.report(at("unsafe_setting", "pg_settings", fmt.Sprintf("On %s, run ALTER SYSTEM RESET %s; SELECT pg_reload_conf(); and remove %s from the configuration files.", n.Name, name, name)),
				"%s runs with %s = off: a crash of its host can corrupt its data beyond repair", n.Name, name)
		}
	}
	if u := f.Server.Unarchived; u != nil {
		failing := at("archiving_failing", "pg_stat_archiver", "The log of "+n.Name+" says why. Fix archive_command, or what it writes to.")
		failing.Severity = Warning
		out.report(failing, "%s could not archive WAL segment %s at %s, and has archived nothing since: it keeps all WAL from there on", n.Name, u.Segment, u.Since)
	}
	for _, r := range f.Server.Roles {
		roleInDatabases(s, n, r, out)
		roleExpired(s, n, r, out)
	}
}

// roleExpired reports a password that is no longer accepted, though the topology does not say
// so: who is connected stays connected, and cannot log in again.
func roleExpired(s *cluster.Cluster, n *topology.Node, found facts.Role, out *Findings) {
	r := s.Cluster.Role(found.Name)
	if r == nil || n != s.Now.Leader || !found.Expired || !r.Login || !r.Password.IsSet() {
		return
	}
	replicates := r == s.Cluster.Replication.Role && len(s.Cluster.Standbys) > 0
	if !replicates && (r.ValidUntil != "" || s.Ignores(r.Lifecycle, "role", "valid_until")) {
		return
	}
	who := "nothing that uses it can log in"
	if replicates {
		who = "a standby that loses its connection cannot log in again"
	}
	out.report(Finding{
		Code: "password_expired", Severity: Error, Address: s.NodeAddress(n), Node: n.Name, Evidence: view("rolvaliduntil in pg_authid", n.Name),
		Fix: fmt.Sprintf("Set valid_until = \"infinity\", or a later time, in role %q of %s.", r.Name, s.Cluster.ID),
	},
		"the password of role %s expired at %s: %s", pg.Ident(r.Name), found.ValidUntil, who)
}

// roleInDatabases reports parameters of a role in one database, which go before those that
// the topology gives the role.
func roleInDatabases(s *cluster.Cluster, n *topology.Node, found facts.Role, out *Findings) {
	r := s.Cluster.Role(found.Name)
	if r == nil || n != s.Now.Leader {
		return
	}
	for _, database := range list.SortedKeys(found.InDatabase) {
		for _, name := range list.SortedKeys(found.InDatabase[database]) {
			wanted, is := r.Parameters[name]
			value := found.InDatabase[database][name].Value
			if !is || s.SameParameter(name, value, wanted) || s.Ignores(r.Lifecycle, "role", "parameters") {
				continue
			}
			out.report(Finding{
				Code: "role_parameter_overridden", Severity: Error, Address: s.NodeAddress(n), Node: n.Name, Evidence: view("pg_db_role_setting", n.Name),
				Fix: fmt.Sprintf("On %s, run ALTER ROLE %s IN DATABASE %s RESET %s;", n.Name, pg.Ident(r.Name), pg.Ident(database), pg.ParameterName(name)),
			},
				"role %s has %s = %s in database %s, which overrides the topology's", pg.Ident(r.Name), name, pg.Literal(value), pg.Ident(database))
		}
	}
}

// checkTLSLikeLeader reports a standby without TLS while the member that leads has it.
func checkTLSLikeLeader(s *cluster.Cluster, n *topology.Node, f *facts.Node, out *Findings) {
	if s.Cluster.Standby(n) == nil || s.Live() == nil || f.Server.InForce("ssl") != "off" || s.Live().InForce("ssl") != "on" {
		return
	}
	out.report(Finding{
		Code: "standby_without_tls", Severity: Warning, Address: s.NodeAddress(n), Node: n.Name, Evidence: view("pg_settings", n.Name) + " and on " + s.Leading().Name,
		Fix: "Give " + n.Name + " a certificate and set ssl_cert_file, ssl_key_file and ssl = on in its postgresql.conf, or in parameters of " + s.Cluster.ID + ".",
	},
		"%s has ssl = off, and its primary %s has ssl = on: after a promotion of %s, clients that require TLS cannot connect to it", n.Name, s.Leading().Name, n.Name)
}
