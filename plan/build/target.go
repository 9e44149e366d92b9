package build

import (
	"slices"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/topology"
)

// A target brings what it requires. Publications and subscriptions are planned one by
// one, so that an error of one is no error of another that is a target by itself: which
// of them a target requires is found here, before they are planned.

// widen gives every cluster the publications and subscriptions that its targets require.
func widen(scopes []*cluster.Cluster) {
	if len(scopes) == 0 || len(scopes[0].Targets) == 0 {
		return
	}
	required := map[topology.Address]bool{}
	scopes[0].Required = required // which all of them share
	for more := true; more; {
		before := len(required)
		for _, s := range scopes {
			widenOne(s)
		}
		more = len(required) > before
	}
}

func widenOne(s *cluster.Cluster) {
	for _, p := range s.Publications() {
		if s.Targeted(p.Address()) {
			requireMove(s, p)
		}
	}
	for _, m := range s.Managed("publication") {
		if s.Targeted(s.AddressOfRow(m.Address)) {
			requireLetGo(s, m)
		}
	}
	if s.PortMoves(s.Goal.Primary) || s.Switchover() != nil {
		for _, sub := range s.Subscribers() { // they come along where the restart, or the move, does
			s.Required[sub.Address()] = true
		}
	}
	for _, sub := range s.Subscriptions() {
		if s.Targeted(sub.Address()) {
			for _, p := range sub.Publications {
				s.Required[p.Address()] = true
			}
		}
	}
}

// requireMove: a publication gives up a table once others have it, and are listed.
func requireMove(s *cluster.Cluster, p *topology.Publication) {
	m := s.Move(p)
	for _, q := range m.To {
		s.Required[q.Address()] = true
	}
	for _, sub := range s.Subscribers() {
		if m.Keeps(sub) {
			s.Required[sub.Address()] = true
		}
	}
}

// requireLetGo: a publication is dropped once no subscription lists it.
func requireLetGo(s *cluster.Cluster, m cluster.Row) {
	if slices.ContainsFunc(s.Publications(), func(p *topology.Publication) bool { return p.Database == m.In && p.Name == m.Name }) {
		return
	}
	lists := func(of *cluster.Cluster, database, name string) bool {
		found, _ := of.Logical(database)
		is := found.Subscription(name)
		return is != nil && slices.Contains(is.Publications, m.Name)
	}
	for _, sub := range s.Subscribers() {
		of := s.Of(sub.Cluster)
		if sub.SourceDatabase() == m.In && (lists(of, sub.Database, sub.Name) || lists(of, sub.Database, of.Earlier("subscription", sub.Address(), sub.Database, sub.Name))) {
			s.Required[sub.Address()] = true
		}
	}
	for _, gone := range s.Ledgered() {
		of := s.Of(gone.By)
		if !of.WantsSubscription(gone.In, gone.Name) && lists(of, gone.In, gone.Name) {
			s.Required[of.AddressOfRow(gone.Address)] = true
		}
	}
}
