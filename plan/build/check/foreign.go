package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// What repltool wrote under a name that is not this cluster's: managed blocks that are in
// force, and rows of the ledger. A cluster that was renamed without a moved block leaves
// them, and a rule that left the topology must not be in force without a word: it is
// drift, reported until it is moved or removed.

// Foreign reports what of the cluster's servers belongs to another cluster's name.
func Foreign(s *cluster.Cluster, out *draft.Findings) {
	for _, n := range s.Cluster.Members() {
		if h := s.Found(n).Host; h != nil && !s.Recloned(n) {
			foreignBlocks(s, n, h.Conf, s.ParametersAddress(n), settingsText, out)
			foreignBlocks(s, n, h.HBA, s.HBAAddress(n), rulesText, out)
		}
	}
	foreignRows(s, out)
	warnLedgerMissing(s, out)
}

// foreignBlocks reports the blocks of a file under names that the cluster never had.
func foreignBlocks(s *cluster.Cluster, n *topology.Node, file facts.File, address topology.Address, list func(string) []string, out *draft.Findings) {
	for _, name := range conftext.BlockNames(file.Text) {
		if name == s.Cluster.Name || slices.Contains(s.Cluster.Earlier, name) {
			continue
		}
		block, err := conftext.FindBlock(file.Text, name)
		where := fmt.Sprintf("the lines from \"%s\" to \"%s\" (%d to %d)",
			conftext.MarkersOf(name).Begin, conftext.MarkersOf(name).End, block.FirstLine, block.LastLine)
		holds := "it contains " + pg.Join(list(block.Body)...)
		if err != nil {
			where, holds = "the block by hand", "it is incomplete: "+err.Error()
		}
		out.ReportDrift("foreign_managed_block", address, n.Name, "%s has a managed block of cluster %s, which is in effect, but the topology has no such cluster on %s; %s. "+
			"%sor remove %s and run SELECT pg_reload_conf()",
			file.Path, name, n.Name, holds, askMoved(s, name), where)
	}
}

// askMoved is the question whether the cluster was renamed, with the block to write: not
// where that name is another cluster's.
func askMoved(s *cluster.Cluster, name string) string {
	if slices.ContainsFunc(s.Topology.Clusters, func(c *topology.Cluster) bool { return c.Name == name }) {
		return "Move the node back to that cluster, "
	}
	return fmt.Sprintf("If you renamed cluster %s, add to the topology: moved { from = cluster.%s, to = %s } (each on its own line), ", name, name, s.Cluster.ID)
}

// settingsText returns the settings of a block's body.
func settingsText(body string) []string {
	var all []string
	for line := range strings.Lines(body) {
		for _, setting := range conftext.ParseConf(line) {
			if strings.HasSuffix(strings.TrimSpace(line), cluster.SensitiveMark) {
				all = append(all, setting.Name+" = "+topology.Redacted)
			} else {
				all = append(all, conftext.FormatSetting(setting.Name, setting.Value))
			}
		}
	}
	return all
}

// rulesText returns the rules of a block's body, without their options: some are secrets.
func rulesText(body string) []string {
	var all []string
	for _, l := range conftext.ParseHBA(body) {
		if r, err := l.Rule(); err == nil {
			r.Options = nil
			all = append(all, r.String())
		}
	}
	return all
}

// foreignRows reports the rows of the ledger that belong to other clusters: what they
// stand for is not dropped with this one's, and slots among them hold back WAL.
func foreignRows(s *cluster.Cluster, out *draft.Findings) {
	objects := map[string][]string{} // by cluster
	for _, r := range s.Ledger().Rows {
		if name := r.Address.Cluster; name != "" && !s.ClusterAddress.Contains(r.Address) {
			objects[name] = append(objects[name], r.Object.String())
		}
	}
	for _, name := range list.SortedKeys(objects) {
		out.ReportDrift("foreign_ledger_rows", s.LedgerAddress(), s.Leading().Name,
			"the ledger has %s of cluster %s, which repltool created and this topology does not manage: %s. %sor, if no other topology manages them, run in database %s: DELETE FROM repltool.managed WHERE starts_with(address, %s)",
			words.Counted(len(objects[name]), "object"), name, words.Few(objects[name]), askMoved(s, name), pg.Maintenance, pg.Literal("cluster."+name+"."))
	}
}

// warnLedgerMissing warns where repltool's block is on the primary and its ledger is not:
// what it created can no longer be told from what was there before.
func warnLedgerMissing(s *cluster.Cluster, out *draft.Findings) {
	if n := unprovable(s); s.LedgerLost() && n > 0 {
		out.Warn(s.Cluster.Range, "Missing ledger",
			"%s has managed blocks of repltool, but no schema repltool in database %s. %s of the topology %s, and "+
				"repltool can no longer prove that it created %s: %s not be dropped when %s the topology. To keep the proof, "+
				"restore the schema from a backup before you apply. Otherwise, drop such objects by hand when they are "+
				"removed from the topology.",
			s.Leading().Name, pg.Maintenance, words.Counted(n, "object"), words.Plural(n, "exists", "exist"), words.Plural(n, "it", "them"), words.Plural(n, "it will", "they will"), words.Plural(n, "it is removed from", "they are removed from"))
	}
}

// unprovable counts the objects of the topology that exist and that a ledger would prove.
func unprovable(s *cluster.Cluster) int {
	if s.Live() == nil {
		return 0
	}
	n := 0
	for _, r := range s.Cluster.Roles {
		if s.Live().Role(r.Name) != nil {
			n++
		}
	}
	for _, db := range s.Cluster.Databases {
		if s.Live().Database(db.Name) != nil {
			n++
		}
	}
	for _, w := range s.WantedSlots() {
		if s.Running(w.On) && s.FoundSlot(w.On, w.Name) != nil {
			n++
		}
	}
	for _, p := range s.Publications() {
		if found, _ := s.Logical(p.Database); found.Publication(p.Name) != nil {
			n++
		}
	}
	for _, sub := range s.Subscriptions() {
		if v, _ := s.SubscriptionOf(sub); v.Is != nil {
			n++
		}
	}
	return n
}

// refuseForeign refuses to adopt what repltool created for another cluster: a topology of
// that name changes and drops it.
func refuseForeign(s *cluster.Cluster, address topology.Address, at hcl.Range, o cluster.Object, out *draft.Findings) {
	row := s.MadeFor(o)
	if row.IsZero() {
		return
	}
	out.Finding(address, at, "Object of another cluster",
		"%s: %s %s exists in database %s on %s, and repltool created it for cluster %s, whose topology manages it. Use another name here. %sor, if nothing manages it any more, run in database %s: DELETE FROM repltool.managed WHERE address = %s",
		address, o.Kind, pg.Ident(o.Name), pg.Ident(o.In), s.Leading().Name, row.Cluster, askMoved(s, row.Cluster), pg.Maintenance, pg.Literal(row.String()))
}
