package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/topology"
)

// What repltool wrote under a name that is not this cluster's: managed blocks that are in
// force, and rows of the ledger. A cluster that was renamed without a moved block leaves
// them, and a rule that left the topology must not be in force without a word: it is
// drift, reported until it is moved or removed.

// foreign reports what of the cluster's servers belongs to another cluster's name.
func foreign(s *scope, out *findings) {
	for _, n := range s.cluster.Members() {
		if h := s.found(n).Host; h != nil && !s.recloned(n) {
			s.foreignBlocks(n, h.Conf, s.parametersAddress(n), settingsText, out)
			s.foreignBlocks(n, h.HBA, s.hbaAddress(n), rulesText, out)
		}
	}
	s.foreignRows(out)
	s.warnLedgerMissing(out)
}

// foreignBlocks reports the blocks of a file under names that the cluster never had.
func (s *scope) foreignBlocks(n *topology.Node, file facts.File, address topology.Address, list func(string) []string, out *findings) {
	for _, name := range conftext.BlockNames(file.Text) {
		if name == s.cluster.Name || slices.Contains(s.cluster.Earlier, name) {
			continue
		}
		block, err := conftext.FindBlock(file.Text, name)
		where := fmt.Sprintf("the lines from \"%s\" to \"%s\" (%d to %d)",
			conftext.MarkersOf(name).Begin, conftext.MarkersOf(name).End, block.FirstLine, block.LastLine)
		holds := "it holds " + join(list(block.Body)...)
		if err != nil {
			where, holds = "it by hand", "it is incomplete: "+err.Error()
		}
		out.tellDrift(address, n.Name, "%s has a managed block of cluster %s, which is in force, and the topology has no such cluster on %s; %s. %sor remove %s and run SELECT pg_reload_conf()",
			file.Path, name, n.Name, holds, s.askMoved(name), where)
	}
}

// askMoved is the question whether the cluster was renamed, with the block to write: not
// where that name is another cluster's.
func (s *scope) askMoved(name string) string {
	if slices.ContainsFunc(s.topology.Clusters, func(c *topology.Cluster) bool { return c.Name == name }) {
		return "Move the node back to that cluster, "
	}
	return fmt.Sprintf("If you renamed cluster %s, add to the topology: moved { from = cluster.%s, to = %s } (each on its own line), ", name, name, s.cluster.ID)
}

// settingsText answers the settings of a block's body.
func settingsText(body string) []string {
	var all []string
	for line := range strings.Lines(body) {
		for _, setting := range conftext.ParseConf(line) {
			if strings.HasSuffix(strings.TrimSpace(line), sensitiveMark) {
				all = append(all, setting.Name+" = "+topology.Redacted)
			} else {
				all = append(all, conftext.FormatSetting(setting.Name, setting.Value))
			}
		}
	}
	return all
}

// rulesText answers the rules of a block's body, without their options: some are secrets.
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
func (s *scope) foreignRows(out *findings) {
	objects := map[string][]string{} // by cluster
	for _, r := range s.ledger().rows {
		if name := r.address.Cluster; name != "" && !s.clusterAddress.Contains(r.address) {
			objects[name] = append(objects[name], r.object.String())
		}
	}
	for _, name := range sortedKeys(objects) {
		out.tellDrift(s.ledgerAddress(), s.cluster.Primary.Name,
			"the ledger has %s of cluster %s, which repltool created and no longer manages: %s. %sor, to keep them unmanaged, run in database %s: DELETE FROM repltool.managed WHERE starts_with(address, %s)",
			counted(len(objects[name]), "object"), name, few(objects[name]), s.askMoved(name), maintenance, literal("cluster."+name+"."))
	}
}

// warnLedgerMissing warns where repltool's block is on the primary and its ledger is not:
// what it created can no longer be told from what was there before.
func (s *scope) warnLedgerMissing(out *findings) {
	h := s.primary().Host
	if s.live() == nil || s.live().Ledger != nil || h == nil || !s.confBlock(h).found() && !s.hbaBlock(h).found() {
		return
	}
	if n := s.unprovable(); n > 0 {
		out.warn(s.cluster.Range, "Ledger is missing",
			"%s has managed blocks of repltool and no schema repltool in database %s. %s of the topology %s there, and repltool can no longer prove that it created %s: "+
				"%s not be dropped when %s the topology. To keep the proof, restore the schema from a backup before you apply; else drop such objects by hand when they leave.",
			s.cluster.Primary.Name, maintenance, counted(n, "object"), plural(n, "is", "are"), plural(n, "it", "them"), plural(n, "it will", "they will"), plural(n, "it leaves", "they leave"))
	}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// unprovable counts the objects of the topology that exist and that a ledger would prove.
func (s *scope) unprovable() int {
	n := 0
	for _, r := range s.cluster.Roles {
		if s.live().Role(r.Name) != nil {
			n++
		}
	}
	for _, db := range s.cluster.Databases {
		if s.live().Database(db.Name) != nil {
			n++
		}
	}
	for _, w := range s.wantedSlots() {
		if s.running(w.on) && s.foundSlot(w.on, w.Name) != nil {
			n++
		}
	}
	for _, p := range s.publications() {
		if found, _ := s.logical(p.Database); found.Publication(p.Name) != nil {
			n++
		}
	}
	for _, sub := range s.subscriptions() {
		if found, _ := s.logical(sub.Database); found.Subscription(sub.Name) != nil {
			n++
		}
	}
	return n
}
