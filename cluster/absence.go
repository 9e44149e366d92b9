package cluster

import (
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/topology"
)

// Traces returns what says that the missing data directory of n was a cluster; none
// where the directory has files, or a job of repltool explains what is left.
func (s *Cluster) Traces(n *topology.Node) []string {
	f := s.Found(n)
	h := f.Host
	if h == nil || h.Running || f.Server != nil || !Empty(h.Data.State) || h.AsideJob != nil {
		return nil
	}
	var traces []string
	for _, j := range h.Jobs {
		if j.Done() && !strings.HasSuffix(j.ID, ".verify") {
			traces = append(traces, JobDir(h, j.ID)+": the record of a job that completed")
		}
	}
	begun := len(h.Jobs) > 0 && len(traces) == 0
	if h.ConfigDir != h.DataDir && !Empty(h.ConfigState) && !(begun && (n != s.Goal.Primary || h.WasAbsent(h.ConfigDir))) {
		traces = append(traces, h.ConfigDir+": configuration files"+s.blockNote(h))
	}
	if begun {
		return traces
	}
	traces = append(traces, s.usedSlot(n)...)
	for _, left := range []struct{ file, what string }{{h.ServerLog, "the log of its server"}, {mayBeOf(h.DataDir, h.Passfile), "its password file"}} {
		if left.file != "" {
			traces = append(traces, left.file+": "+left.what)
		}
	}
	return traces
}

// usedSlot returns what the slot of a standby says that streamed. A slot is created before
// the copy, at a checkpoint before its row of the ledger: one that is past that was used by a
// copy or a standby, and a copy has the record of its job.
func (s *Cluster) usedSlot(n *topology.Node) []string {
	sb := s.Cluster.Standby(n)
	if sb == nil || sb.Slot == "" || !s.Running(sb.Upstream) {
		return nil
	}
	found, created := s.FoundSlot(sb.Upstream, sb.Slot), ""
	for _, r := range s.Ledger().Rows {
		if r.Intent == "" && r.Object == (Object{"slot", sb.Slot, sb.Upstream.Name}) {
			created = r.At
		}
	}
	if found == nil {
		return nil
	}
	at, known := facts.LSN(created)
	is, reserved := facts.LSN(found.RestartLSN)
	if !known || !reserved || is <= at {
		return nil
	}
	return []string{"slot " + sb.Slot + " on " + sb.Upstream.Name + ": a standby has used it since repltool created it (it is at " + found.RestartLSN + ", and was created before " + created + ")"}
}

// mayBeOf returns the path of a password file that has a block of the data directory's
// instance, or lines without a block, which may be its own; "" where all that it has
// belongs to other instances.
func mayBeOf(dataDir string, f facts.SecretFile) string {
	names := conftext.BlockNames(f.Text.Reveal())
	rest, err := conftext.RenameBlock(f.Text.Reveal(), names, dataDir, "", conftext.First)
	others := len(names) > 0 && !slices.Contains(names, dataDir) && err == nil && strings.TrimSpace(rest) == ""
	if !f.Exists || others {
		return ""
	}
	return f.Path
}

func (s *Cluster) blockNote(h *facts.Host) string {
	if !s.ConfBlock(h).Found() {
		return ""
	}
	return ", with the block of cluster " + s.Cluster.Name
}

func Empty(state facts.DataState) bool {
	return slices.Contains([]facts.DataState{"", facts.DataAbsent, facts.DataEmpty}, state)
}

func Emptiness(state facts.DataState) string {
	if state == facts.DataAbsent {
		return "does not exist"
	}
	return "is empty"
}
