package cluster

import (
	"maps"
	"path"
	"slices"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/topology"
)

// A plan that moves the primary continues after the move: the old primary gets what a standby
// has, the new one what a primary has. Those are ordinary changes, and they are planned on
// what the move leaves. So this says what it leaves: what its steps do (plan/build/move),
// and what follows from them.

// AfterMove returns f as the move leaves it.
func (s *Cluster) AfterMove(m *Switchover, f facts.Facts) facts.Facts {
	f = facts.Facts{Nodes: maps.Clone(f.Nodes)}
	for _, n := range s.Cluster.Members() {
		f.Nodes[n.Name] = copied(s.Found(n))
	}
	s.leadsAfter(f.Nodes[m.To.Name], m)
	s.followsAfter(f.Nodes[m.From.Name], m)
	for _, sb := range s.Rotates(m) {
		s.streamsFrom(f.Nodes[sb.Node.Name], sb)
	}
	return f
}

// copied returns a node of which parts may be changed.
func copied(n *facts.Node) *facts.Node {
	c, h, server := *n, *n.Host, *n.Server
	control := *h.Control
	h.Control = &control
	server.Settings = maps.Clone(server.Settings)
	c.Host, c.Server = &h, &server
	return &c
}

// leadsAfter makes f what the promoted server is: it has what the old primary had of what is
// replicated, and its own files.
func (s *Cluster) leadsAfter(f *facts.Node, m *Switchover) {
	from := s.Found(m.From).Server
	f.Host.StandbySignal, f.Host.Control.State = false, "in production"
	f.Host.Control.Timeline++
	server := f.Server
	server.InRecovery, server.Receiver, server.Logical, server.LSN = false, nil, from.Logical, from.LSN
	server.Timeline++
	server.Roles, server.Databases, server.Tablespaces, server.Prepared, server.Origins = from.Roles, from.Databases, from.Tablespaces, from.Prepared, from.Origins
	server.Applying, server.Subscribing, server.SubscriptionOIDs = from.Applying, from.Subscribing, from.SubscriptionOIDs
	server.Ledger = s.ledgerAfter(m)
	server.Slots = slices.Clone(server.Slots)
	for _, w := range s.SlotsToMake(m) {
		server.Slots = append(server.Slots, facts.Slot{Slot: w.Slot, WALStatus: "reserved"})
	}
	s.logicalAfter(f, m)
	server.Senders = slices.Clone(server.Senders)
	for _, sb := range s.Cluster.Standbys {
		moves := sb.Node == m.From || slices.Contains(s.Rotates(m), sb)
		if name := s.nameAfter(m, sb); moves && server.SenderTo(sb.Slot, name) == nil {
			server.Senders = append(server.Senders, facts.Sender{ApplicationName: name, ClientAddr: sb.Node.Address, State: "streaming", SlotName: sb.Slot})
		}
		for i := range server.Slots {
			if slot := &server.Slots[i]; moves && slot.Name == sb.Slot {
				slot.Active = true
			}
		}
	}
	if set := s.SetOnTo(m); set != "" {
		bySystem(f, SyncNames, set)
	}
}

// nameAfter is the name under which a standby streams from the new primary.
func (s *Cluster) nameAfter(m *Switchover, sb *topology.Standby) string {
	return SeenAs(s.ConnInfo(sb)[ApplicationKey], s.Found(sb.Node).Server.InForce("cluster_name"))
}

// followsAfter makes f what the old primary is once it streams from the new one.
func (s *Cluster) followsAfter(f *facts.Node, m *Switchover) {
	sb := s.Cluster.Standby(m.From)
	f.Host.StandbySignal, f.Host.Control.State = true, "in archive recovery"
	f.Server.InRecovery, f.Server.Logical = true, nil
	drops := s.SlotsToDrop(m)
	f.Server.Slots = slices.DeleteFunc(slices.Clone(f.Server.Slots), func(slot facts.Slot) bool { return slices.Contains(drops, slot.Name) })
	s.logicalGone(f, m)
	left := map[string]bool{s.ApplicationName(m.To): true}
	for _, sb := range s.Rotates(m) {
		left[s.ApplicationName(sb.Node)] = true
	}
	f.Server.Senders = slices.DeleteFunc(slices.Clone(f.Server.Senders), func(w facts.Sender) bool { return left[w.ApplicationName] })
	if before, while := s.SetOnFrom(m); before != while {
		bySystem(f, SyncNames, while)
	}
	s.streamsFrom(f, sb)
}

// streamsFrom gives a standby the password, the connection and the slot that it is to have.
func (s *Cluster) streamsFrom(f *facts.Node, sb *topology.Standby) {
	if passwords := s.StandbyPasswords(sb); s.NeedsPassfile(sb) {
		text, _ := s.FilledPassfile(passwords)
		f.Host.Passfile.Exists, f.Host.Passfile.Mode = true, 0o600
		f.Host.Passfile.Text = topology.NewSecret("", Marked(s.PassfileBlock(sb.Node, f.Host.Passfile, passwords).Name, text))
	}
	f.Server.Timeline++
	f.Host.Control.Timeline++
	f.Server.ConnInfo = topology.NewSecret("", pg.FormatConnInfo(s.ConnInfo(sb)))
	f.Server.PendingConnInfo = nil
	bySystem(f, "primary_slot_name", sb.Slot)
	f.Server.Receiver = &facts.Receiver{Status: "streaming", SenderHost: sb.Upstream.Address, SenderPort: sb.Upstream.Port, SlotName: sb.Slot}
}

// bySystem sets a parameter as ALTER SYSTEM does.
func bySystem(f *facts.Node, name, value string) {
	file := path.Join(f.Host.DataDir, AutoConf)
	setting := f.Server.Settings[name]
	setting.Value, setting.Source, setting.SourceFile, setting.SourceLine = value, "configuration file", file, 0
	f.Server.Settings[name] = setting
	f.Server.FileSettings = slices.DeleteFunc(slices.Clone(f.Server.FileSettings), func(line facts.FileSetting) bool { return line.File == file && line.Name == name })
	f.Server.FileSettings = append(f.Server.FileSettings, facts.FileSetting{File: file, Name: name, Value: value, Applied: true})
}

// ledgerAfter is the ledger as the move leaves it.
func (s *Cluster) ledgerAfter(m *Switchover) *facts.Ledger {
	from := s.Found(m.From).Server
	if from.Ledger == nil {
		return nil
	}
	gone := Texts(s.RowsToForget(m))
	l := &facts.Ledger{Managed: slices.DeleteFunc(slices.Clone(from.Ledger.Managed), func(r facts.Managed) bool { return slices.Contains(gone, r.Address) })}
	rows := slices.Concat(s.SlotsToConfirm(m), s.CopiedRows(m), []Row{s.MadePrimary(m.To)})
	for _, slot := range slices.Concat(s.TwinsToMake(m), s.TwinsToConfirm(m)) {
		rows = append(rows, s.SlotRow(m.To, slot.Name))
	}
	for _, w := range s.SlotsToMake(m) {
		rows = append(rows, s.SlotRow(w.On, w.Name))
	}
	for _, r := range rows {
		l.Managed = slices.DeleteFunc(l.Managed, func(was facts.Managed) bool { return was.Address == r.Address.String() })
		l.Managed = append(l.Managed, facts.Managed{Address: r.Address.String(), Object: r.Object.String()})
	}
	return l
}

// RowsToForget are the rows of the ledger that the move strikes out: that of its intent, and
// those of the slots that it drops.
func (s *Cluster) RowsToForget(m *Switchover) []topology.Address {
	all := []topology.Address{s.MoveIntent(m).Address}
	drops := s.SlotsToDrop(m)
	for _, slot := range s.LogicalSlots(m) {
		drops = append(drops, slot.Name)
	}
	for _, r := range s.rowsOf(s.Found(m.From).Server) {
		if r.Kind == "slot" && r.In == m.From.Name && slices.Contains(drops, r.Name) {
			all = append(all, r.Address)
		}
	}
	return all
}

// NeedsPassfile reports whether a member has to get the password file by which it logs in as
// a standby.
func (s *Cluster) NeedsPassfile(sb *topology.Standby) bool {
	return s.Cluster.Replication.Role != nil && s.Cluster.Replication.Role.Password.IsSet() && !s.PassfileFits(sb.Node, s.Found(sb.Node).Host.Passfile, s.StandbyPasswords(sb), s.PassingLines(sb))
}
