package importer

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/topology"
)

// standbys are the other members, and whether they have slots.
func (d *decider) standbys(g *group) {
	c := g.cluster
	c.Slots = len(g.members) == 1
	for _, m := range g.members[1:] {
		s := &topology.Standby{Node: m.node, Upstream: m.upstream.node, Slot: m.slot(), ApplyDelay: m.delay()}
		c.Standbys = append(c.Standbys, s)
		c.Slots = c.Slots || s.Slot != ""
		if len(m.conn) == 0 {
			d.doc.Comment(s, "", fmt.Sprintf("%s has no primary_conninfo: it gets WAL from an archive alone.", m.node.Name))
		} else if m.sender == nil {
			d.doc.Comment(s, "", fmt.Sprintf("%s is not connected to %s now.", m.node.Name, m.upstream.node.Name))
		}
	}
}

// delay is recovery_min_apply_delay.
func (m *member) delay() time.Duration {
	setting := m.server().Settings["recovery_min_apply_delay"]
	ms, err := strconv.ParseInt(setting.Value, 10, 64)
	if err != nil {
		return 0
	}
	return time.Duration(ms) * time.Millisecond
}

// synchronous is the set, where each name in it is a node. Without the block, repltool leaves a
// set as it is: what it cannot say is said in a comment.
func (d *decider) synchronous(g *group) {
	value := g.primary().server().InForce("synchronous_standby_names")
	set, known := pg.ParseSync(value)
	if known && len(set.Names) == 0 {
		return
	}
	comment := func(format string, args ...any) {
		d.doc.Comment(g.cluster, "synchronous", fmt.Sprintf("synchronous_standby_names is %s and stays as it is: ", value)+fmt.Sprintf(format, args...))
	}
	if !known {
		comment("it could not be read.")
		return
	}
	if set.Every() {
		comment("with a synchronous block here, commits would wait for the standbys of this topology alone.")
		return
	}
	y := &topology.Synchronous{Method: set.Method, Number: set.Number}
	for _, name := range set.Names {
		i := slices.IndexFunc(g.members, func(m *member) bool { return m.node.Name == name && m.seenAs() == name })
		if i < 1 || g.members[i].upstream != g.primary() {
			comment("%s is no standby of %s that is named so here.", name, g.primary().node.Name)
			return
		}
		y.Standbys = append(y.Standbys, g.members[i].node)
	}
	if y.Method == "any" {
		order := func(n *topology.Node) int {
			return slices.IndexFunc(g.members, func(m *member) bool { return m.node == n })
		}
		slices.SortFunc(y.Standbys, func(a, b *topology.Node) int { return order(a) - order(b) })
	}
	g.cluster.Synchronous = y
}

// tablespaces are directories of standbys that are not those of the primary.
func (d *decider) tablespaces(g *group) {
	mapping := map[string]string{}
	for _, here := range g.primary().server().Tablespaces {
		for _, m := range g.members[1:] {
			i := slices.IndexFunc(m.server().Tablespaces, func(x facts.Tablespace) bool { return x.Name == here.Name })
			if i < 0 || m.server().Tablespaces[i].Location == here.Location {
				continue
			}
			there := m.server().Tablespaces[i].Location
			if other := mapping[here.Location]; other != "" && other != there {
				d.doc.Comment(g.cluster, "basebackup", fmt.Sprintf("The directory of tablespace %s is %s on %s, which the mapping of one cluster cannot say as well.",
					here.Name, there, m.node.Name))
				continue
			}
			mapping[here.Location] = there
		}
	}
	g.cluster.BaseBackup = topology.BaseBackup{TablespaceMapping: mapping}
}

// slots are the permanent slots of the primary that no standby here uses.
func (d *decider) slots(g *group) {
	for _, s := range g.primary().server().Slots {
		used := slices.ContainsFunc(g.members, func(m *member) bool { return m.upstream == g.primary() && m.slot() == s.Name })
		feeds := slices.ContainsFunc(d.flows, func(f *flow) bool { return f.publisher == g && f.found.Options.SlotName == s.Name })
		if used || feeds || s.Temporary || s.Synced || copies(s.Name) {
			continue
		}
		if sender := g.primary().server().SenderFrom(s.Name); sender != nil && s.Type == topology.SlotPhysical {
			d.doc.Comment(g.cluster, "end", fmt.Sprintf("Slot %s is used by %s, which was not imported.", s.Name, who(sender.ApplicationName, sender.ClientAddr)))
			continue
		}
		slot := s.Slot
		g.cluster.PermanentSlots = append(g.cluster.PermanentSlots, &slot)
		switch {
		case s.WALStatus == "lost":
			d.doc.Comment(&slot, "", "This slot is lost: the WAL that it would need is gone.")
		case !s.Active:
			d.doc.Comment(&slot, "", "Nothing uses this slot now"+retained(s.RetainedBytes)+".")
		}
	}
	for _, m := range g.members[1:] {
		for _, s := range m.server().Slots {
			used := slices.ContainsFunc(g.members, func(o *member) bool { return o.upstream == m && o.slot() == s.Name })
			if !used && !s.Temporary && !s.Synced {
				d.doc.Comment(g.cluster, "end", fmt.Sprintf("Slot %s of standby %s stays as it is: slots that are described here are those of the primary.", s.Name, m.node.Name))
			}
		}
	}
}

// copies reports whether a slot is that of a subscription's initial copy of a table.
func copies(name string) bool {
	_, _, is := pg.CopySlot(name)
	return is
}

func retained(n *int64) string {
	if n == nil {
		return ""
	}
	return ", and it keeps " + words.BytesText(*n) + " of WAL"
}

func who(name, address string) string {
	if address == "" {
		return name
	}
	return fmt.Sprintf("%s (%s)", name, address)
}

// notes are what a cluster has besides.
func (d *decider) notes(g *group) {
	for _, text := range g.calledOtherwise() {
		d.doc.Comment(g.cluster, "", text)
	}
	for _, m := range g.members {
		for _, w := range m.server().Senders {
			known := slices.ContainsFunc(g.members, func(o *member) bool { return o.upstream == m && o.sender != nil && o.sender.PID == w.PID })
			logical := slices.ContainsFunc(m.server().Slots, func(s facts.Slot) bool { return s.ActivePID == w.PID && s.Type == topology.SlotLogical })
			if !known && !logical && !w.Copies() {
				d.doc.Comment(g.cluster, "end", fmt.Sprintf("%s streams from %s, and was not imported.", who(w.ApplicationName, w.ClientAddr), m.node.Name))
			}
		}
	}
	d.leave(g)
}

// leave counts what stays undescribed.
func (d *decider) leave(g *group) {
	server := g.primary().server()
	roles := 0
	for _, r := range server.Roles {
		if !r.Bootstrap && !strings.HasPrefix(r.Name, "pg_") && g.cluster.Role(r.Name) == nil {
			roles++
		}
	}
	rules := 0
	for _, m := range g.members {
		rules += len(m.server().HBA)
	}
	var kept []string
	for _, of := range []struct {
		n    int
		what string
	}{{roles, "role"}, {rules, "rule of pg_hba.conf"}} {
		if of.n > 0 {
			kept = append(kept, counted(of.n, of.what))
		}
	}
	if len(kept) > 0 {
		d.d.Left = append(d.d.Left, fmt.Sprintf("%s: not described, and left as they are: %s.", g.cluster.ID, strings.Join(kept, ", ")))
	}
}

func counted(n int, what string) string {
	if one, rest, is := strings.Cut(what, " "); is {
		return words.Counted(n, one) + " " + rest
	}
	return words.Counted(n, what)
}
