package config

import (
	"fmt"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// pg_hba.conf holds one marked block, first in the file, since the first rule
// that matches is the one that counts. It has the rules that replication needs,
// and then the topology's own in the order written. Every node of a cluster has
// the same block, so that any of them can become the primary (PostgreSQL docs,
// 21.1 "The pg_hba.conf File").

// hbaLoaded is true once the server has read pg_hba.conf since it came to be as it is, and
// finds no error in it: that a reload was asked for says neither. Which of its times counts is
// said in facts.File. A file that a skewed clock dates into the future counts as read.
const hbaLoaded = "SELECT CASE WHEN EXISTS (" + draft.HBAErrors + `) THEN 'failed'
  WHEN change < pg_conf_load_time() OR change > clock_timestamp() THEN 't' ELSE 'f' END,
  (SELECT string_agg(concat_ws(' ', 'line', line_number, reason), '; ') FROM (` + draft.HBAErrors + `) e)
FROM pg_stat_file(current_setting('hba_file'))`

// reloadRules makes the server read pg_hba.conf, and waits until it has.
func reloadRules(d *draft.Draft, n *topology.Node) {
	d.Reload(n)
	d.Wait(n, "the rules are in effect", hbaLoaded, draft.SettleTimeout)
}

func HBARules(s *cluster.Cluster, out *draft.Findings) {
	for _, n := range s.Cluster.Members() {
		if s.Recloned(n) || !s.Running(n) && !s.IsDown(n) {
			continue
		}
		if s.DropsPassing(n) {
			out.Put(passedRules(s, n))
		}
		if !s.Running(n) {
			continue
		}
		d := draft.NewDraft(plan.Update, s.HBAAddress(n), n)
		d.Worsen(plan.Reload)
		d.Needs = s.LeavingSubscribers()
		f := s.Found(n)
		for _, kept := range s.KeptRules(n) {
			out.Keep(kept.User, n, "rule %s", strings.Join(strings.Fields(kept.Rule), " "))
		}
		wanted, block := s.HBATextPassing(n), s.HBABlock(f.Host)
		switch {
		case !block.Is(wanted.Text, conftext.First):
			d.Reason = hbaReason(block, wanted.Text)
			if !block.Found() && s.RulesCovered(n) {
				d.Adopts, d.Reason = true, "other rules of the file let in everybody whom these let in"
			}
			d.Step(n, "write pg_hba.conf", draft.HBAFile(s, n, f.Host.HBA.Text))
			reloadRules(d, n)
		case f.Host.HBA.Modified > f.Server.ConfLoaded:
			d.Reason = "the server has not read the file since it was last changed: this reload puts every line of it into effect, also those outside the managed block"
			reloadRules(d, n)
		}
		out.Put(d)
	}
}

// passedRules removes the rules of the connections that standbys and subscriptions had until
// this plan.
func passedRules(s *cluster.Cluster, n *topology.Node) *draft.Draft {
	d := draft.NewDraft(plan.Update, s.EarlierHBAAddress(n), n)
	d.Worsen(plan.Reload)
	d.Reason = "nothing logs in with these rules any more"
	d.After = []topology.Address{s.NodeAddress(n), s.HBAAddress(n), s.ParametersAddress(n)}
	for _, r := range s.PassingRules(n) {
		if r.Standby != nil {
			d.After = append(d.After, s.StandbyAddress(r.Standby))
		} else {
			d.Needs = append(d.Needs, r.Subscription.Address())
		}
	}
	d.Step(n, "write pg_hba.conf", draft.EarlierHBAFile(s, n))
	reloadRules(d, n)
	return d
}

func hbaReason(block cluster.ConfBlock, wanted string) string {
	if !block.Found() || block.Renamed() || block.Body() != wanted {
		return "" // the diff tells
	}
	return "the first match wins, and above the block is " + ruleAbove(block)
}

// ruleAbove names the first rule above the block, without its options: some of
// those are secrets.
func ruleAbove(block cluster.ConfBlock) string {
	lines := conftext.ParseHBA(block.Text)
	if len(lines) == 0 || lines[0].Line >= block.FirstLine() {
		return "something else"
	}
	l := lines[0]
	r, err := l.Rule()
	if err != nil { // include "more.conf"
		return fmt.Sprintf("line %d: %s %s", l.Line, l.Fields[0][0].Text, l.Fields[len(l.Fields)-1][0].Text)
	}
	r.Options = nil
	return fmt.Sprintf("line %d: %s", l.Line, r)
}
