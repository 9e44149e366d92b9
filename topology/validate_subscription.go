package topology

import (
	"fmt"
	"slices"
)

func (e *evaluator) checkSubscriptions() {
	for _, s := range e.top.Subscriptions {
		e.checkSources(s)
		e.checkSubscriberRole(s)
	}
	e.checkSubscriptionNames()
	e.checkSubscriptionSlots()
	e.checkFlow()
}

// checkSources: one subscription has one connection, which is to one database.
func (e *evaluator) checkSources(s *Subscription) {
	for i, p := range s.Publications {
		at := e.places.of(s, publicationPlace(i), s.Range)
		first := s.Publications[0]
		switch {
		case slices.Contains(s.Publications[:i], p):
			e.add(problem(at, "Duplicate publication in subscription", "%s lists %s twice. Remove one of the two.", s.ID, p.ID))
		case p.Cluster == nil || p.Database == "" || first.Cluster == nil || first.Database == "":
		case p.Cluster != first.Cluster || p.Database != first.Database:
			e.add(problem(at, "Publications in different databases",
				"%s is in %s and %s is in %s, but a subscription connects to one database. Declare a subscription for each "+
					"database.",
				first.ID, placed{first.Cluster, first.Database}, p.ID, placed{p.Cluster, p.Database}))
		case p.Cluster == s.Cluster && p.Database == s.Database && i == 0:
			e.add(problem(at, "Subscription to its own database",
				"%s would receive its own changes: it is in %s, and so is %s. Use another cluster or database.",
				s.ID, placed{s.Cluster, s.Database}, p.ID))
		}
	}
	e.checkColumns(s)
}

// checkColumns: PostgreSQL refuses a table that two publications of one
// subscription publish with different lists of columns (its docs, "Column
// Lists", "Combining Multiple Publications").
func (e *evaluator) checkColumns(s *Subscription) {
	for i, p := range s.Publications {
		for _, t := range p.Tables {
			if t.Columns == nil {
				continue
			}
			for j, other := range s.Publications {
				columns, has := other.columnsOf(t.Table)
				if other == p || !has || columns != nil && j < i || slices.Equal(columns, t.Columns) {
					continue
				}
				e.add(problem(e.places.of(s, publicationPlace(i), s.Range), "Conflicting column lists",
					"%s and %s both publish %s, with different column lists, which PostgreSQL does not allow within one "+
						"subscription. Use the same column list in both, or remove the table from one of them.", p.ID, other.ID, t.Table))
			}
		}
	}
}

// columnsOf returns the columns that are published of a table, nil for all;
// false when the table is not published by name, schema or as one of all.
func (p *Publication) columnsOf(name TableName) ([]string, bool) {
	if t := p.Table(name); t != nil {
		return t.Columns, true
	}
	return nil, p.Covers(name)
}

// checkSubscriberRole: the subscription must be able to log in to the publisher.
func (e *evaluator) checkSubscriberRole(s *Subscription) {
	publisher := s.Publisher()
	if publisher == nil {
		return
	}
	if s.Role == nil {
		if _, named := e.places[s]["role"]; !named && !e.doubtful[publisher] {
			e.reportNoSubscriberRole(s, publisher)
		}
		return
	}
	at := e.places.of(s, "role", s.Range)
	_, given := e.places[s.Role]["password"]
	switch {
	case !s.Role.Replication && !s.Role.Superuser:
		e.add(problem(at, "Role without REPLICATION",
			"%s connects to %s as %q, which does not have replication = true.", s.ID, publisher.ID, s.Role.Name))
	case !s.Role.Login:
		e.add(problem(at, "Role without LOGIN",
			"%s connects to %s as %q, which has login = false.", s.ID, publisher.ID, s.Role.Name))
	case publisher.Replication.Method == "scram-sha-256" && !s.Role.Password.IsSet() && !given:
		e.add(problem(at, "Replication role without a password",
			"%s connects to %s as %q with method scram-sha-256, which requires a password. Set one on the role, for "+
				"example\n  password = env(\"REPLICATOR_PASSWORD\")\nor set method = \"cert\" in the replication block of %s.",
			s.ID, publisher.ID, s.Role.Name, publisher.ID))
	}
}

func (e *evaluator) reportNoSubscriberRole(s *Subscription, publisher *Cluster) {
	if fitting := replicationRoles(publisher); len(fitting) > 1 {
		e.add(problem(s.Range, "Ambiguous replication role",
			"The roles %s of %s have replication = true. Specify which one %s connects as: role = %q.",
			allOfList(fitting), publisher.ID, s.ID, fitting[0]))
		return
	}
	e.add(problem(s.Range, "No replication role",
		"%s needs a role to connect to %s as. Add to that cluster, for example\n"+
			"  role \"replicator\" {\n    replication = true\n    password    = env(\"REPLICATOR_PASSWORD\")\n  }", s.ID, publisher.ID))
}

func (e *evaluator) checkSubscriptionNames() {
	type name struct {
		at   placed
		name string
	}
	seen := map[name]*Subscription{}
	for _, s := range e.top.Subscriptions {
		key := name{placed{s.Cluster, s.Database}, s.Name}
		if !key.at.known() || s.Name == "" {
			continue
		}
		if first := seen[key]; first != nil {
			e.add(problem(e.places.of(s, "name", s.Range), "Duplicate subscription name",
				"%s and %s (at %s) are both named %q in %s. Rename one of them.",
				s.ID, first.ID, where(first.Range), s.Name, key.at))
			continue
		}
		seen[key] = s
	}
}

// checkSubscriptionSlots: slots are unique on one server, whatever they are for.
func (e *evaluator) checkSubscriptionSlots() {
	taken := map[string]string{} // publisher and slot → what has it
	for _, c := range e.top.Clusters {
		for _, s := range c.PermanentSlots {
			taken[c.ID+" "+s.Name] = fmt.Sprintf("the slot block at %s", where(s.Range))
		}
		for _, s := range c.Standbys {
			if s.Slot != "" && s.Upstream == c.Primary && s.Node != nil {
				taken[c.ID+" "+s.Slot] = "the slot of standby " + s.Node.ID
			}
		}
	}
	for _, s := range e.top.Subscriptions {
		publisher := publisherOf(s)
		if publisher == "" || s.Options.SlotName == "" || e.usesDeclared(s) {
			continue
		}
		key := publisher + " " + s.Options.SlotName
		if other := taken[key]; other != "" {
			at := e.places.of(s, "slot_name", e.places.of(s, "name", s.Range))
			e.add(problem(at, "Duplicate slot name",
				"The slot of %s on %s would be named %q, which is also the name of %s. Choose another name with slot_name.",
				s.ID, publisher, s.Options.SlotName, other))
			continue
		}
		taken[key] = "the slot of " + s.ID
	}
}

// usesDeclared reports whether the subscription takes a slot that its publisher's
// cluster declares: a logical one of its database, which it is not to make.
func (e *evaluator) usesDeclared(s *Subscription) bool {
	c := s.Publisher()
	return c != nil && !s.CreateSlot && slices.ContainsFunc(c.PermanentSlots, func(slot *Slot) bool {
		return slot.Name == s.Options.SlotName && slot.Type == SlotLogical && slot.Database == s.SourceDatabase()
	})
}

// publisherOf names the server that a subscription's slot is on.
func publisherOf(s *Subscription) string {
	c := s.Connection
	switch {
	case s.Publisher() != nil:
		return s.Publisher().ID
	case c == nil:
		return ""
	case c.Host == "":
		return "service " + c.Service
	case c.Port == 0:
		return c.Host + " port 5432"
	default:
		return fmt.Sprintf("%s port %d", c.Host, c.Port)
	}
}
