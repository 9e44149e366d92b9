package build

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// What a server is after it was stopped, started, promoted or made a standby.

// shutDown stops a server: what is read of it then stands in its files.
func (m *model) shutDown(n *facts.Node) {
	s, h := n.Server, n.Host
	if s == nil {
		return
	}
	m.stop(n)
	for i := range s.Slots { // their subscribers come back to another server
		s.Slots[i].Active = s.Slots[i].Active && s.Slots[i].Type != topology.SlotLogical
	}
	m.stopped[n.Name] = s
	n.Server, h.Running, h.Control = nil, false, controlOf(n)
	h.Control.State, h.Control.SystemIdentifier, h.Control.Timeline = cluster.ShutDown, s.SystemIdentifier, s.Timeline
	if s.InRecovery {
		h.Control.State = "shut down in recovery"
	}
	m.writeAuto(n, s)
}

// controlOf is a copy of what pg_control says, to be changed.
func controlOf(n *facts.Node) *facts.Control {
	if n.Host.Control == nil {
		return &facts.Control{}
	}
	c := *n.Host.Control
	return &c
}

// gone takes away what a server that is down has on others: worlds may have it.
func (m *model) gone(n *facts.Node) {
	slot := ""
	for _, line := range conftext.ParseConf(n.Host.AutoConf.Text.Reveal()) {
		if line.Name == "primary_slot_name" {
			slot = line.Value
		}
	}
	for _, up := range m.nodes() {
		if up.Server == nil {
			continue
		}
		up.Server.Senders = remove(up.Server.Senders, func(w facts.Sender) bool {
			return w.State == "streaming" && (w.ApplicationName == n.Name || slot != "" && w.SlotName == slot)
		})
		if found := up.Server.Slot(slot); found != nil {
			found.Active = false
		}
		if conn := conninfo.Map(up.Server.ConnInfo.Reveal()); up.Server.Receiver != nil && m.leadsTo(conn, n.Name) {
			up.Server.Receiver = nil
		}
	}
}

// writeAuto writes what ALTER SYSTEM has set, as it is read of a server that is down.
func (m *model) writeAuto(n *facts.Node, s *facts.Server) {
	h := n.Host
	var b strings.Builder
	connected := false
	for _, f := range s.FileSettings {
		if path.Base(f.File) == cluster.AutoConf {
			b.WriteString(conftext.FormatSetting(f.Name, f.Value) + "\n")
			connected = connected || f.Name == "primary_conninfo"
		}
	}
	if text := s.ConnInfo.Reveal(); text != "" && !connected {
		b.WriteString(conftext.FormatSetting("primary_conninfo", text) + "\n")
	}
	h.AutoConf = facts.SecretFile{Path: path.Join(h.DataDir, cluster.AutoConf), Exists: true, Stamp: fmt.Sprint(m.tick()), Text: topology.NewSecret("", b.String())}
}

// start starts a server that is down: as a standby where its data directory says so.
func (m *model) start(n *facts.Node) error {
	s := m.asleep(n)
	if s == nil {
		return unknown{"start of a server of which nothing else is known"}
	}
	n.Server, n.Host.Running, n.Host.Control = s, true, controlOf(n)
	s.InRecovery, n.Host.Control.State = n.Host.StandbySignal, "in production"
	if s.InRecovery {
		s.Logical, n.Host.Control.State = nil, "in archive recovery"
	}
	m.restart(n)
	for _, leader := range m.nodes() {
		m.replicate(leader)
	}
	m.subscribersReturn(n)
	return nil
}

// subscribersReturn has the subscribers of a server that leads again connect to it.
func (m *model) subscribersReturn(n *facts.Node) {
	for _, other := range m.nodes() {
		if other.Server == nil || other.Server.InRecovery || n.Server.InRecovery {
			continue
		}
		for _, l := range other.Server.Logical {
			for _, sub := range l.Subscriptions {
				if slot := n.Server.Slot(sub.Options.SlotName); slot != nil && sub.Options.Enabled && m.at(conninfo.Map(sub.ConnInfo.Reveal())) == n {
					slot.Active = true
				}
			}
		}
	}
}

// asleep is the server of a node that is down. Of one that was down from the beginning its
// files are known, and what its cluster has is read of another member.
func (m *model) asleep(n *facts.Node) *facts.Server {
	if s := m.stopped[n.Name]; s != nil {
		return s
	}
	for _, other := range m.nodes() {
		if other.Server != nil && n.Host.Control != nil && other.Server.SystemIdentifier == n.Host.Control.SystemIdentifier {
			m.stopped[n.Name] = m.fromFiles(n, copied(other.Server))
			return m.stopped[n.Name]
		}
	}
	return nil
}

// fromFiles makes s, which is another member's, the server of n.
func (m *model) fromFiles(n *facts.Node, s *facts.Server) *facts.Server {
	h := n.Host
	s.Slots, s.Senders, s.Receiver, s.ConnInfo, s.PendingConnInfo = nil, nil, nil, topology.Secret{}, nil
	s.FileSettings = []facts.FileSetting{{File: h.Conf.Path, Line: 1, Name: "port", Value: fmt.Sprint(m.top.Node(n.Name).Port)}}
	for _, file := range []struct{ path, text string }{{h.Conf.Path, h.Conf.Text}, {h.AutoConf.Path, h.AutoConf.Text.Reveal()}} {
		for _, line := range conftext.ParseConf(file.text) {
			s.FileSettings = append(s.FileSettings, facts.FileSetting{File: file.path, Line: line.Line, Name: strings.ToLower(line.Name), Value: line.Value})
			if line.Name == "primary_conninfo" {
				s.ConnInfo = topology.NewSecret("", line.Value)
			}
		}
	}
	for _, other := range m.nodes() { // who follows it has its slot there
		if other.Server == nil || other == n {
			continue
		}
		slot := other.Server.InForce("primary_slot_name")
		if slot != "" && m.leadsTo(conninfo.Map(other.Server.ConnInfo.Reveal()), n.Name) {
			s.Slots = append(s.Slots, facts.Slot{Slot: topology.Slot{Name: slot, Type: topology.SlotPhysical}, RestartLSN: "0/5000000", WALStatus: "reserved"})
		}
	}
	return s
}

// leadsTo reports whether a connection is one to that node of the topology.
func (m *model) leadsTo(conn map[string]string, name string) bool {
	n := m.top.Node(name)
	return n != nil && conn["host"] == n.Address && fmt.Sprint(pg.PortOf(conn)) == fmt.Sprint(n.Port)
}

// editSettings changes the postgresql.auto.conf of a server that is down.
func (m *model) editSettings(n *facts.Node, op plan.Command) error {
	if n.Server != nil || op.Argv[5] != n.Host.AutoConf.Stamp {
		return fmt.Errorf("%s: %s was changed, or its server runs", n.Name, op.Argv[4])
	}
	s := m.asleep(n)
	if s == nil {
		return unknown{"file of a server of which nothing else is known"}
	}
	gone := regexp.MustCompile("^(?i:" + op.Argv[6] + ")$")
	s.FileSettings = remove(s.FileSettings, func(f facts.FileSetting) bool {
		return path.Base(f.File) == cluster.AutoConf && gone.MatchString(f.Name)
	})
	if gone.MatchString("primary_conninfo") {
		s.ConnInfo, s.PendingConnInfo = topology.Secret{}, nil
	}
	for _, line := range conftext.ParseConf(strings.Join(op.Argv[7:], "\n") + "\n") {
		s.FileSettings = append(s.FileSettings, facts.FileSetting{File: n.Host.AutoConf.Path, Line: 3, Name: line.Name, Value: line.Value})
		if line.Name == "primary_conninfo" {
			s.ConnInfo = topology.NewSecret("", line.Value)
		}
	}
	m.writeAuto(n, s)
	return nil
}

// fence makes the data directory of a primary that is down that of a standby.
func (m *model) fence(n *facts.Node, lines []string) error {
	if n.Server != nil {
		return fmt.Errorf("%s: a server was started in the data directory", n.Name)
	}
	s := m.asleep(n)
	if s == nil {
		return unknown{"file of a server of which nothing else is known"}
	}
	for _, line := range conftext.ParseConf(strings.Join(lines, "\n") + "\n") {
		s.FileSettings = append(s.FileSettings, facts.FileSetting{File: n.Host.AutoConf.Path, Line: 3, Name: line.Name, Value: line.Value})
		if line.Name == "primary_conninfo" {
			s.ConnInfo = topology.NewSecret("", line.Value)
		}
	}
	n.Host.StandbySignal = true
	m.writeAuto(n, s)
	return nil
}

// promote makes a standby a primary, on a new timeline. Who streams from it follows there.
func promote(c call) error {
	s := c.n.Server
	if !s.InRecovery {
		return nil
	}
	for _, other := range c.nodes() {
		if other != c.n && other.Server != nil && !other.Server.InRecovery && other.Server.SystemIdentifier == s.SystemIdentifier && c.together(other, c.n) {
			return fmt.Errorf("%s leads, and %s is promoted", other.Name, c.n.Name)
		}
	}
	c.disconnect(c.n)
	s.InRecovery, s.Timeline = false, s.Timeline+1
	for i := range s.Slots {
		s.Slots[i].Synced = false
	}
	c.n.Host.StandbySignal, c.n.Host.Control = false, controlOf(c.n)
	c.n.Host.Control.State, c.n.Host.Control.Timeline = "in production", s.Timeline
	for name, was := range c.stopped {
		if was.SystemIdentifier == s.SystemIdentifier && was.Logical != nil && c.together(&facts.Node{Name: name}, c.n) {
			s.Logical = copied(was).Logical
		}
	}
	return nil
}

// together reports whether two nodes are of one cluster: in a world several may have one identifier.
func (m *model) together(a, b *facts.Node) bool {
	one, other := m.top.Node(a.Name), m.top.Node(b.Name)
	return one == nil || other == nil || m.top.Cluster(one) == m.top.Cluster(other)
}

// follow brings who streams to the timeline of its upstream.
func (m *model) follow() {
	for range m.f.Nodes { // along a cascade
		for _, n := range m.nodes() {
			up := m.upstreamOf(n)
			if up == nil || n.Server.Timeline >= up.Server.Timeline {
				continue
			}
			n.Server.Timeline, n.Host.Control = up.Server.Timeline, controlOf(n)
			n.Host.Control.Timeline = up.Server.Timeline
		}
	}
}

// intended reports whether the ledger has the intent of which the query asks.
func intended(n *facts.Node, found []string, _ string) bool {
	return n.Server.Ledger != nil && slices.ContainsFunc(n.Server.Ledger.Managed, func(r facts.Managed) bool {
		return r.Address == found[1] && r.Intent != "" && r.Object == strings.ReplaceAll(found[2], "''", "'")
	})
}

// confirmed reports whether the ledger has that object, made and not only intended.
func confirmed(n *facts.Node, found []string, _ string) bool {
	return n.Server.Ledger != nil && slices.ContainsFunc(n.Server.Ledger.Managed, func(r facts.Managed) bool {
		return r.Address == found[1] && r.Intent == "" && strings.HasPrefix(r.Object, strings.ReplaceAll(found[2], "''", "'"))
	})
}

// onTimeline reports whether a standby streams on a later timeline than that.
func onTimeline(n *facts.Node, found []string, _ string) bool {
	return n.Server.Receiver != nil && n.Server.Receiver.Status == "streaming" && fmt.Sprint(n.Server.Timeline) > found[1]
}

// dropSlots drops those of the list that are there.
func dropSlots(c call) error {
	_, list, _ := strings.Cut(c.text, " IN ")
	for _, name := range regexp.MustCompile(literal).FindAllString(list, -1) {
		c.found = []string{c.text, unquoted(name)}
		if err := dropSlotIfThere(c); err != nil {
			return err
		}
	}
	return nil
}

// hasSlots reports whether a server has those logical slots, and copies of failover slots where
// the query wants that.
func hasSlots(n *facts.Node, found []string, _ string) bool {
	count := 0
	for _, slot := range n.Server.Slots {
		if strings.Contains(found[2], pg.Literal(slot.Name)) && slot.WALStatus != "lost" && (found[4] == "" || slot.Synced) {
			count++
		}
	}
	return fmt.Sprint(count) == found[1]
}

// dropLeftovers drops logical slots of a server that became a standby, also those in use.
func dropLeftovers(c call) error {
	c.n.Server.Slots = remove(c.n.Server.Slots, func(s facts.Slot) bool { return strings.Contains(c.found[1], pg.Literal(s.Name)) && !s.Synced })
	return nil
}
