package plan

import (
	"slices"

	"github.com/repltool/repltool/topology"
)

// A target brings what it requires. Publications and subscriptions are planned one by
// one, so that an error of one is no error of another that is a target by itself: which
// of them a target requires is found here, before they are planned.

// widen gives every scope the publications and subscriptions that its targets require.
func widen(scopes []*scope) {
	if len(scopes) == 0 || len(scopes[0].targets) == 0 {
		return
	}
	required := map[topology.Address]bool{}
	scopes[0].required = required // which all of them share
	for more := true; more; {
		before := len(required)
		for _, s := range scopes {
			s.widen()
		}
		more = len(required) > before
	}
}

func (s *scope) widen() {
	for _, p := range s.publications() {
		if s.targeted(p.Address()) {
			s.requireMove(p)
		}
	}
	for _, m := range s.managed("publication") {
		if s.targeted(s.addressOfRow(m.address)) {
			s.requireLetGo(m)
		}
	}
	if s.portMoves(s.cluster.Primary) {
		for _, sub := range s.subscribers() { // they come along where the restart does
			s.required[sub.Address()] = true
		}
	}
	for _, sub := range s.subscriptions() {
		if s.targeted(sub.Address()) {
			for _, p := range sub.Publications {
				s.required[p.Address()] = true
			}
		}
	}
}

// requireMove: a publication lets go of a table once others have it, and are listed.
func (s *scope) requireMove(p *topology.Publication) {
	m := s.move(p)
	for _, q := range m.to {
		s.required[q.Address()] = true
	}
	for _, sub := range s.subscribers() {
		if m.keeps(sub) {
			s.required[sub.Address()] = true
		}
	}
}

// requireLetGo: a publication is dropped once no subscription lists it.
func (s *scope) requireLetGo(m row) {
	if slices.ContainsFunc(s.publications(), func(p *topology.Publication) bool { return p.Database == m.in && p.Name == m.name }) {
		return
	}
	lists := func(of *scope, database, name string) bool {
		found, _ := of.logical(database)
		is := found.Subscription(name)
		return is != nil && slices.Contains(is.Publications, m.name)
	}
	for _, sub := range s.subscribers() {
		of := s.of(sub.Cluster)
		if sub.SourceDatabase() == m.in && (lists(of, sub.Database, sub.Name) || lists(of, sub.Database, of.earlier("subscription", sub.Address(), sub.Database, sub.Name))) {
			s.required[sub.Address()] = true
		}
	}
	for _, gone := range s.ledgered() {
		of := s.of(gone.by)
		if !of.wantsSubscription(gone.in, gone.name) && lists(of, gone.in, gone.name) {
			s.required[of.addressOfRow(gone.address)] = true
		}
	}
}
