package facts

import (
	"cmp"

	"github.com/repltool/repltool/internal/pg/conninfo"
)

// SeenAs is the name under which a standby is seen by its upstream: what its connection
// string says, else cluster_name, else walreceiver.
func (s *Server) SeenAs() string {
	return cmp.Or(conninfo.Map(s.ConnInfo.Reveal())["application_name"], s.InForce("cluster_name"), "walreceiver")
}

// BaseBackup is the application_name of a base backup's connections.
const BaseBackup = "pg_basebackup"

// Copies reports whether the process serves a base backup: its files, or the WAL beside them.
// Neither is a standby, though the second one streams, and confirms what it has flushed.
func (w *Sender) Copies() bool { return w.State == "backup" || w.ApplicationName == BaseBackup }

// SenderFrom returns the process that holds a slot, or nil; s may be nil.
func (s *Server) SenderFrom(slot string) *Sender {
	if s == nil || slot == "" {
		return nil
	}
	return find(s.Senders, func(w *Sender) bool { return w.SlotName == slot })
}

// SenderTo returns the process that serves a standby: the one that holds its slot,
// else the one of its application_name; nil when there is none. The one that holds the
// slot may be that of the standby's base backup.
func (s *Server) SenderTo(slot, application string) *Sender {
	if sender := find(s.Senders, func(w *Sender) bool { return slot != "" && w.SlotName == slot }); sender != nil {
		return sender
	}
	return find(s.Senders, func(w *Sender) bool { return w.ApplicationName == application && !w.Copies() })
}

// Behind returns how many bytes of WAL lie from one position to the end, at least
// 0; nil when one of them is not known. Both are as pg_lsn is written: 16/B374D848.
func Behind(position, end string) *int64 {
	p, known := LSN(position)
	e, alsoKnown := LSN(end)
	if !known || !alsoKnown {
		return nil
	}
	bytes := int64(0)
	if e > p {
		bytes = int64(e - p)
	}
	return &bytes
}
