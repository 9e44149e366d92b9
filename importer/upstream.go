package importer

import (
	"slices"
	"strings"

	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
)

// Who follows whom: what the standby's connection says, and which server has a process that
// serves it.

// seenAs is the name under which a standby is seen by its upstream.
func (m *member) seenAs() string {
	for _, name := range []string{m.conn["application_name"], m.server().InForce("cluster_name")} {
		if name != "" {
			return name
		}
	}
	return "walreceiver"
}

func (m *member) slot() string { return m.server().InForce("primary_slot_name") }

// link finds the upstream of every standby: one that serves it is surer than one whose address
// fits, since many servers may have one address.
func (g *group) link() {
	for _, m := range g.members[1:] {
		for _, is := range []func(*member) bool{
			func(up *member) bool { return m.leadsTo(up) && up.serves(m) },
			m.leadsTo,
			func(up *member) bool { return up.serves(m) && up.server().Settings["port"].Value == m.upstreamPort() },
			func(up *member) bool { return up == g.primary() },
		} {
			if up := list.Kept(g.members, func(up *member) bool { return up != m && is(up) }); len(up) > 0 {
				m.upstream = up[0]
				break
			}
		}
		m.sender = m.upstream.server().SenderTo(m.slot(), m.seenAs())
	}
}

// upstreamPort is the port of the upstream, as the standby has it.
func (m *member) upstreamPort() string {
	hosts := strings.Split(m.conn["port"], ",")
	if hosts[0] == "" {
		return "5432"
	}
	return hosts[0]
}

// serves reports whether a server has a process for the standby.
func (up *member) serves(m *member) bool {
	sender := up.server().SenderTo(m.slot(), m.seenAs())
	return sender != nil && (sender.ClientAddr == "" || len(m.Addresses) == 0 || slices.Contains(m.Addresses, sender.ClientAddr) || up.sharesMachine(m))
}

func (m *member) sharesMachine(o *member) bool {
	return m.Host == o.Host || m.Facts.Host.Machine.Boot != "" && m.Facts.Host.Machine.Boot == o.Facts.Host.Machine.Boot && m.Facts.Host.Machine.Network == o.Facts.Host.Machine.Network
}

// leadsTo reports whether the standby's connection names the server: by its address and port.
func (m *member) leadsTo(up *member) bool { return m.hostOf(up) != "" }

// hostOf is the name by which the standby's connection, which may have several, calls the
// server; "" where it does not.
func (m *member) hostOf(up *member) string {
	hosts, ports := strings.Split(m.conn["host"], ","), strings.Split(m.conn["port"], ",")
	for i, h := range hosts {
		port := ports[min(i, len(ports)-1)]
		if port == "" {
			port = "5432"
		}
		if port == up.server().Settings["port"].Value && m.isMachineOf(h, up) {
			return h
		}
	}
	return ""
}

// isMachineOf reports whether a host of the standby's connection is the machine of another.
func (m *member) isMachineOf(host string, up *member) bool {
	switch {
	case host == "":
		return false
	case strings.HasPrefix(host, "/"), host == "localhost", host == "127.0.0.1", host == "::1":
		return m.sharesMachine(up)
	case pg.SameHost(host, up.Host), pg.SameHost(host, up.Facts.Host.Hostname), slices.Contains(up.Addresses, host):
		return true
	}
	return slices.ContainsFunc(m.Resolved[host], func(a string) bool { return slices.Contains(up.Addresses, a) })
}
