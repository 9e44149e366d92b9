package importer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// grouped puts servers of one system identifier together, in the order given.
func grouped(all []Seen) ([]*group, error) {
	byID := map[string]*group{}
	var groups []*group
	for _, s := range all {
		id := s.Facts.Server.SystemIdentifier
		g := byID[id]
		if g == nil {
			g = &group{}
			byID[id], groups = g, append(groups, g)
		}
		if !slices.ContainsFunc(g.members, func(m *member) bool { return sameInstance(m.Seen, s) }) {
			g.members = append(g.members, &member{Seen: s, conn: connOf(s.Facts.Server)})
		}
	}
	for _, g := range groups {
		if err := g.lead(); err != nil {
			return nil, err
		}
	}
	return groups, nil
}

// sameInstance reports whether two ways led to one server.
func sameInstance(a, b Seen) bool {
	x, y := a.Facts.Host.Machine, b.Facts.Host.Machine
	return x.Boot == y.Boot && x.Network == y.Network && x.DataDir == y.DataDir && a.Facts.Host.DataDir == b.Facts.Host.DataDir && a.Port == b.Port &&
		(x.DataDir != "" || a.Host == b.Host)
}

// lead puts the primary first. A cluster has one.
func (g *group) lead() error {
	var leaders []string
	for i, m := range g.members {
		if !m.server().InRecovery {
			leaders = append(leaders, at(m.Seen))
			g.members[0], g.members[i] = g.members[i], g.members[0]
		}
	}
	slices.SortStableFunc(g.members[1:], func(a, b *member) int { return cmp.Or(cmp.Compare(a.Host, b.Host), a.Port-b.Port) })
	switch {
	case len(leaders) == 0:
		return fmt.Errorf("%s is a standby, and its primary was not read\nName the host of the primary as well, or follow the connections of the standby: repltool import -cluster %s",
			at(g.members[0].Seen), g.members[0].Host)
	case len(leaders) > 1:
		return fmt.Errorf("%s have the same system identifier, and each is a primary\nOne of them was copied from the other, or promoted, and replicates no longer. Import them one at a time, into directories of their own",
			strings.Join(leaders, " and "))
	}
	return nil
}
