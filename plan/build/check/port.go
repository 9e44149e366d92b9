package check

import (
	"slices"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// A port or an address that changes takes along everybody who connects there, or is
// refused before anything is changed.

// checkPort looks at the port of a server that is to be made, copied, started, or
// restarted on it.
func checkPort(s *cluster.Cluster, n *topology.Node, f *facts.Node, out *draft.Findings) {
	if owner := f.Host.PortOwner; owner != "" && (f.Server == nil && !f.Host.Running || s.PortMoves(n)) {
		out.Fail(n.Range, "Port in use", "%s: another server listens on port %d: %s. Set another port on the node, or find out what that server is for before you stop it.", n.Name, n.Port, owner)
	}
	if !s.PortMoves(n) {
		return
	}
	if setting := f.Server.Settings["port"]; cluster.Fixed(setting) {
		out.Fail(n.Range, "Port set at server start",
			"%s listens on port %d, which its start command sets (%s) and no file overrides, but the topology has port "+
				"%d. Write port = %d in the node block, or remove the option from the command that starts %s and restart it.",
			n.Name, s.PortInForce(n), setting.Source, n.Port, s.PortInForce(n), n.Name)
		return
	}
	checkRepoints(s, n, out)
	checkSubscribersFollow(s, n, out)
	warnCutOff(s, n, f.Server, out)
}

// checkRepoints refuses a new port while a standby could not be given it.
func checkRepoints(s *cluster.Cluster, n *topology.Node, out *draft.Findings) {
	cannot := func(sb *topology.Standby, why, fix string) {
		out.Fail(s.RangeOf(sb.Node), "Standby cannot follow to another port",
			"%s listens on port %d, and the topology has port %d, which requires a restart. %s follows %s but %s, so it "+
				"would be disconnected. %s, or write port = %d on %s until then.",
			n.Name, s.PortInForce(n), n.Port, sb.Node.Name, n.Name, why, fix, s.PortInForce(n), n.Name)
	}
	for _, sb := range s.Cluster.Standbys {
		switch f := s.Found(sb.Node); {
		case sb.Upstream != n && s.Followed(sb) != n:
		case !f.Complete():
			cannot(sb, "could not be read", "Make it readable")
		case s.Recloned(sb.Node):
		case f.Server == nil:
			cannot(sb, "is down", "Start it")
		case s.Paused(sb.Node):
			cannot(sb, "has paused its replay", strings.TrimSuffix(s.ResumeHint(sb.Node), "."))
		}
	}
}

// checkSubscribersFollow refuses a new port while a subscription could not be given it.
func checkSubscribersFollow(s *cluster.Cluster, n *topology.Node, out *draft.Findings) {
	if n != s.Goal.Primary {
		return
	}
	for _, sub := range s.Subscribers() {
		why := ""
		v, unknown := s.SubscriptionOf(sub)
		switch {
		case unknown:
			why = s.Of(sub.Cluster).Leading().Name + " could not be read"
		case sub.Lifecycle.Ignores("connection") && v.Is != nil:
			why = "it ignores changes of connection"
		default:
			continue
		}
		out.Fail(sub.Range, "Subscription cannot follow to another port",
			"%s listens on port %d, and the topology has port %d, which requires a restart. %s subscribes there, but %s, "+
				"so it would be disconnected. Write port = %d on %s until that is resolved.",
			n.Name, s.PortInForce(n), n.Port, sub.ID, why, s.PortInForce(n), n.Name)
	}
}

// warnCutOff names who streams from a server and is not in the topology: nobody repoints
// those. One that commits wait for is an error.
func warnCutOff(s *cluster.Cluster, n *topology.Node, server *facts.Server, out *draft.Findings) {
	set, _ := pg.ParseSync(server.InForce(cluster.SyncNames))
	var names, waited []string
	for _, sender := range server.Senders {
		name := sender.ApplicationName
		if sender.State != "streaming" || sender.Copies() || s.MemberNamed(name) != nil || slices.Contains(names, name) ||
			cluster.Decodes(server, sender) && s.SubscribersSlot(sender.SlotName) {
			continue
		}
		names = append(names, name)
		if set.Has(name) {
			waited = append(waited, name)
		}
	}
	slices.Sort(names)
	switch {
	case len(waited) > 0:
		out.Fail(n.Range, "Synchronous standby outside the topology",
			"%s listens on port %d, and the topology has port %d, which requires a restart. Commits wait for %s, which "+
				"is not in the topology and would not follow: they would hang. Add it to the cluster, or remove it from %s "+
				"first.",
			n.Name, s.PortInForce(n), n.Port, words.Few(waited), cluster.SyncNames)
	case len(names) > 0:
		out.Warn(n.Range, "Clients outside the topology are disconnected",
			"%s listens on port %d, and restarts on port %d. %s streams from it and is not in the topology: connect it to port %d by hand.",
			n.Name, s.PortInForce(n), n.Port, words.Few(names), n.Port)
	}
}

// checkListens refuses listen_addresses of the topology without which those who connect
// to n would not reach it. What is in force already is left: address translation may
// stand between.
func checkListens(s *cluster.Cluster, n *topology.Node, f *facts.Node, out *draft.Findings) {
	const name = "listen_addresses"
	p, given := s.ParametersOf(n)[name]
	if !given || p.Secret.IsSet() || len(s.Clients(n)) == 0 || s.ListensFor(n, p.Value) || namesAHost(p.Value) {
		return
	}
	if f.Server != nil && !s.Recloned(n) && (f.Server.InForce(name) == p.Value || !s.ListensFor(n, f.Server.InForce(name))) {
		return
	}
	var names []string
	for _, client := range s.Clients(n) {
		names = append(names, client.Name)
	}
	out.Fail(p.Range, "listen_addresses omits the node's address",
		"%s: listen_addresses = %q omits %s, its address in the topology, to which %s connects. Add that address, or "+
			"set listen_addresses = \"*\".",
		n.Name, p.Value, n.Address, words.Few(names))
}

// namesAHost reports whether listen_addresses has a name that only the server resolves.
func namesAHost(listen string) bool {
	return slices.ContainsFunc(strings.Split(listen, ","), func(a string) bool {
		a = strings.TrimSpace(a)
		return a != "" && a != "localhost" && !pg.IsAddress(a)
	})
}
