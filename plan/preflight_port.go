package plan

import (
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// A port or an address that changes takes along everybody who connects there, or is
// refused before anything is changed.

// checkPort looks at the port of a server that is to be made, copied, started, or
// restarted on it.
func (s *scope) checkPort(n *topology.Node, f *facts.Node, out *findings) {
	if owner := f.Host.PortOwner; owner != "" && (f.Server == nil && !f.Host.Running || s.portMoves(n)) {
		out.fail(n.Range, "Port is taken", "%s: another server listens on port %d: %s. Set another port on the node, or find out what that server is for before you stop it.", n.Name, n.Port, owner)
	}
	if !s.portMoves(n) {
		return
	}
	if setting := f.Server.Settings["port"]; fixed(setting) {
		out.fail(n.Range, "Port given at server start",
			"%s listens on port %d, which its start gives it (%s) and no file overrides, and the topology has port %d. Write port = %d on the node, or take the option out of what starts %s and restart it.",
			n.Name, s.portInForce(n), setting.Source, n.Port, s.portInForce(n), n.Name)
		return
	}
	s.checkRepoints(n, out)
	s.checkSubscribersFollow(n, out)
	s.warnCutOff(n, f.Server, out)
}

// checkRepoints refuses a new port while a standby could not be given it.
func (s *scope) checkRepoints(n *topology.Node, out *findings) {
	refuse := func(sb *topology.Standby, why, fix string) {
		out.fail(s.rangeOf(sb.Node), "Standby cannot follow to another port",
			"%s listens on port %d, and the topology has port %d: a restart. %s follows %s and %s, so that it would be cut off. %s, or write port = %d on %s until then.",
			n.Name, s.portInForce(n), n.Port, sb.Node.Name, n.Name, why, fix, s.portInForce(n), n.Name)
	}
	for _, sb := range s.cluster.Standbys {
		switch f := s.found(sb.Node); {
		case sb.Upstream != n && s.followed(sb) != n:
		case !f.Complete():
			refuse(sb, "could not be read", "Make it readable")
		case s.recloned(sb.Node):
		case f.Server == nil:
			refuse(sb, "is down", "Start it")
		case s.paused(sb.Node):
			refuse(sb, "has paused its replay", "Resume it (SELECT pg_wal_replay_resume() on "+sb.Node.Name+")")
		}
	}
}

// checkSubscribersFollow refuses a new port while a subscription could not be given it.
func (s *scope) checkSubscribersFollow(n *topology.Node, out *findings) {
	if n != s.cluster.Primary {
		return
	}
	for _, sub := range s.subscribers() {
		why := ""
		found, unknown := s.of(sub.Cluster).logical(sub.Database)
		switch {
		case unknown:
			why = sub.Cluster.Primary.Name + " could not be read"
		case sub.Lifecycle.Ignores("connection") && found.Subscription(sub.Name) != nil:
			why = "it ignores changes of connection"
		default:
			continue
		}
		out.fail(sub.Range, "Subscription cannot follow to another port",
			"%s listens on port %d, and the topology has port %d: a restart. %s subscribes there, and %s, so that it would be cut off. Write port = %d on %s until that is resolved.",
			n.Name, s.portInForce(n), n.Port, sub.ID, why, s.portInForce(n), n.Name)
	}
}

// warnCutOff names who streams from a server and is not in the topology: nobody repoints
// those. One that commits wait for is an error.
func (s *scope) warnCutOff(n *topology.Node, server *facts.Server, out *findings) {
	set, _ := parseSync(server.InForce(syncNames))
	var names, waited []string
	for _, sender := range server.Senders {
		name := sender.ApplicationName
		if sender.State != "streaming" || name == "pg_basebackup" || s.memberNamed(name) != nil || slices.Contains(names, name) ||
			decodes(server, sender) && slices.ContainsFunc(s.subscribers(), func(sub *topology.Subscription) bool { return sub.Options.SlotName == sender.SlotName }) {
			continue
		}
		names = append(names, name)
		if set.has(name) {
			waited = append(waited, name)
		}
	}
	slices.Sort(names)
	switch {
	case len(waited) > 0:
		out.fail(n.Range, "Synchronous standby outside the topology",
			"%s listens on port %d, and the topology has port %d: a restart. Commits wait for %s, which is not in the topology and would not follow: they would hang. Add it to the cluster, or take it out of %s first.",
			n.Name, s.portInForce(n), n.Port, few(waited), syncNames)
	case len(names) > 0:
		out.warn(n.Range, "Clients outside the topology lose the server",
			"%s listens on port %d, and restarts on port %d. %s streams from it and is not in the topology: connect it to port %d by hand.",
			n.Name, s.portInForce(n), n.Port, few(names), n.Port)
	}
}

// checkListens refuses listen_addresses of the topology without which those who connect
// to n would not reach it. What is in force already is left: address translation may
// stand between.
func (s *scope) checkListens(n *topology.Node, f *facts.Node, out *findings) {
	const name = "listen_addresses"
	p, given := s.parametersOf(n)[name]
	if !given || p.Secret.IsSet() || len(s.clients(n)) == 0 || s.listensFor(n, p.Value) || namesAHost(p.Value) {
		return
	}
	if f.Server != nil && !s.recloned(n) && (f.Server.InForce(name) == p.Value || !s.listensFor(n, f.Server.InForce(name))) {
		return
	}
	var names []string
	for _, client := range s.clients(n) {
		names = append(names, client.Name)
	}
	out.fail(p.Range, "Server would not listen where others connect",
		"%s: listen_addresses = %q leaves out %s, its address in the topology, where %s connects. Add that address, or write listen_addresses = \"*\".",
		n.Name, p.Value, n.Address, few(names))
}

// namesAHost tells whether listen_addresses has a name that only the server resolves.
func namesAHost(listen string) bool {
	return slices.ContainsFunc(strings.Split(listen, ","), func(a string) bool {
		a = strings.TrimSpace(a)
		return a != "" && a != "localhost" && !isAddress(a)
	})
}
