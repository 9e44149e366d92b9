package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/topology"
)

// Under which name a standby is seen by its upstream, now and after this plan. A name
// that synchronous_standby_names may have is not changed in passing: what a standby's
// primary_conninfo is compared with is what would be written (PostgreSQL docs, 20.6.2).

const applicationKey = "application_name"

// applicationName is the name under which a standby is seen upstream, or was before it went
// down.
func (s *scope) applicationName(n *topology.Node) string {
	if f := s.found(n); f.Server != nil {
		return f.Server.SeenAs()
	}
	conn, known := s.connText(n)
	if !known {
		return n.Name
	}
	cluster, _ := s.standbyValue(n, "cluster_name")
	return seenAs(conninfo.Map(conn)[applicationKey], cluster)
}

// seenAs is the name of a WAL receiver: what its connection string says, else
// cluster_name, else walreceiver.
func seenAs(application, cluster string) string { return cmp.Or(application, cluster, "walreceiver") }

// standbyName is the application_name that a standby's connection string is to have; ""
// for none. A member of the topology's set has the node's name. A standby that runs keeps
// the one that it has: somebody's own set, or another program, may know it by that. One
// that is cloned again has the node's name unless the set knows it by another.
func (s *scope) standbyName(sb *topology.Standby) string {
	n := sb.Node
	conn, known := s.connText(n)
	if !known || slices.Contains(s.syncMembers(), n) {
		return n.Name
	}
	has := conninfo.Map(conn)[applicationKey]
	if has == facts.BaseBackup || slices.Contains(n.Earlier, has) && !s.setNames(has) || s.recloned(n) && !s.setNames(s.applicationName(n)) {
		return n.Name
	}
	return has
}

// willBeSeenAs is the name under which a standby is seen upstream after this plan.
func (s *scope) willBeSeenAs(sb *topology.Standby) string {
	cluster := ""
	if f := s.found(sb.Node); f.Server != nil {
		cluster = f.Server.InForce("cluster_name")
	} else {
		cluster, _ = s.standbyValue(sb.Node, "cluster_name")
	}
	return seenAs(s.standbyName(sb), cluster)
}

// setNames tells whether the set in force, or the one that an apply has set aside, names
// a standby; a set of whoever streams names nobody.
func (s *scope) setNames(name string) bool {
	values := []string{s.syncCurrent()}
	if owed := s.keptAside(); owed != nil {
		values = append(values, owed.value)
	}
	return slices.ContainsFunc(values, func(value string) bool {
		set, ok := parseSync(value)
		return ok && !set.every() && set.has(name)
	})
}

// memberNamed answers the standby that is seen under that application_name, or would be
// by its node's name; or nil.
func (s *scope) memberNamed(name string) *topology.Node {
	for _, named := range []func(*topology.Node) string{s.applicationName, func(n *topology.Node) string { return n.Name }} {
		for _, sb := range s.cluster.Standbys {
			if strings.EqualFold(named(sb.Node), name) {
				return sb.Node
			}
		}
	}
	return nil
}

// streaming answers the names of the standbys that stream from a server and may count as
// members of a synchronous set, one for each process, in order; of names only those that
// the set has.
func (set syncSet) streaming(server *facts.Server) []string {
	var names []string
	for i := range server.Senders {
		w := &server.Senders[i]
		if w.State == "streaming" && !w.Copies() && set.has(w.ApplicationName) {
			names = append(names, w.ApplicationName)
		}
	}
	slices.Sort(names)
	return names
}
