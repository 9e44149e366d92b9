package importer

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/topology"
)

// Place is a server of which no more is known than where it runs.
type Place struct {
	Host    string
	SSH     topology.SSH
	Port    int
	DataDir string
}

// Probe is a topology to read servers by, before there is one: each is a cluster of its own. The
// names are the places' positions in the list.
func Probe(all []Place) *topology.Topology {
	t := &topology.Topology{}
	for i, p := range all {
		n := &topology.Node{Name: ProbeName(i), Host: p.Host, Address: p.Host, SSH: p.SSH, Port: p.Port, DataDir: p.DataDir, Access: topology.AccessSSH, OSUser: "postgres"}
		n.ID = "node." + n.Name
		c := &topology.Cluster{Name: n.Name, ID: "cluster." + n.Name, Primary: n, Slots: true}
		t.Nodes, t.Clusters = append(t.Nodes, n), append(t.Clusters, c)
	}
	return t
}

// ProbeName is the name of the place at that position.
func ProbeName(i int) string { return fmt.Sprintf("import-%d", i) }

// ProbeLogical is Probe for reading the publications and subscriptions of databases, too: each is
// of the place at the same position.
func ProbeLogical(all []Place, databases [][]string) *topology.Topology {
	t := Probe(all)
	for i, names := range databases {
		for _, name := range names {
			id := fmt.Sprintf("publication.import-%d-%s", i, name)
			t.Publications = append(t.Publications, &topology.Publication{ID: id, Name: id, Cluster: t.Clusters[i], Database: name})
		}
	}
	return t
}

// Place is where the server runs.
func (s Seen) Place() Place {
	return Place{Host: s.Host, SSH: s.SSH, Port: s.Port, DataDir: s.Facts.Host.DataDir}
}

// Databases are those of a primary that may have publications and subscriptions.
func Databases(s Seen) []string {
	if s.Facts.Server.InRecovery {
		return nil
	}
	var names []string
	for _, db := range s.Facts.Server.Databases {
		if db.Name != "template0" && !db.NoConnections && !db.Invalid {
			names = append(names, db.Name)
		}
	}
	return names
}

// Lead is a machine on which another server of a cluster runs.
type Lead struct {
	Host string // a name or an address, as a server has it
	Who  string // what it is, for a comment: "pg2, which streams from host1"
}

// Follow returns the machines to which the servers' replication leads and that were not looked
// at.
func Follow(all []Seen) []Lead {
	var leads []Lead
	add := func(host, who string) {
		known := slices.ContainsFunc(all, func(s Seen) bool { return slices.Contains(s.Addresses, host) || s.Host == host })
		if host != "" && !known && !slices.ContainsFunc(leads, func(l Lead) bool { return l.Host == host }) {
			leads = append(leads, Lead{host, who})
		}
	}
	for _, s := range all {
		for _, w := range s.Facts.Server.Senders {
			if !w.Copies() && !isLogical(s.Facts.Server, w) {
				add(w.ClientAddr, fmt.Sprintf("%s at %s, which streams from %s", w.ApplicationName, w.ClientAddr, at(s)))
			}
		}
		if !s.Facts.Server.InRecovery {
			continue
		}
		for host := range strings.SplitSeq(connOf(s.Facts.Server)["host"], ",") {
			local := host == "localhost" || strings.HasPrefix(host, "/")
			if a, err := netip.ParseAddr(host); err == nil {
				local = a.IsLoopback()
			}
			if !local {
				add(host, fmt.Sprintf("%s, the upstream of %s", host, at(s)))
			}
		}
	}
	return leads
}

// isLogical reports whether a process sends decoded changes.
func isLogical(s *facts.Server, w facts.Sender) bool {
	slot := s.Slot(w.SlotName)
	return slot != nil && slot.Type == topology.SlotLogical
}

// HostNames are the names that the machines are to resolve: those of the hosts, and those by
// which standbys connect.
func HostNames(all []Seen) []string {
	var names []string
	for _, s := range all {
		hosts := append(strings.Split(connOf(s.Facts.Server)["host"], ","), s.Host)
		for _, l := range s.Facts.Server.Logical {
			for _, sub := range l.Subscriptions {
				hosts = append(hosts, strings.Split(conninfo.Map(sub.ConnInfo.Reveal())["host"], ",")...)
			}
		}
		for _, name := range hosts {
			if _, err := netip.ParseAddr(name); err != nil && name != "" && !strings.HasPrefix(name, "/") && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}
