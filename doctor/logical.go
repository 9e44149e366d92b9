package doctor

import (
	"strings"
	"time"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/topology"
)

// What stops a subscription that follows, or keeps it behind: tables that no longer match,
// and lag beyond the thresholds of its publisher's cluster (PostgreSQL docs, 29.10
// "Monitoring").

// mismatches compares the tables that a subscription follows, which was checked when they
// were new in it and changes since. What stops replication is reported as an error, also
// before it does; it returns these as causes.
func mismatches(v *cluster.Subscription, out *Findings) []string {
	if v.Is == nil || v.Source == nil || v.Blind || v.Remote == nil || v.Local == nil {
		return nil
	}
	var found []cluster.Mismatch
	published := list.SetOf(v.PublishedTables())
	for _, name := range v.Subscribed() {
		if local := v.Local.Table(name); local != nil && published[name] {
			found = append(found, v.TableMismatches(name, local)...)
		}
	}
	var causes []string
	for _, m := range found {
		detail := strings.TrimPrefix(m.Detail, v.ID+": ")
		f := Finding{
			Code: "published_table_mismatch", Severity: Error, Address: v.Address(), Node: v.Scope.Leading().Name,
			Evidence: view("pg_attribute, pg_index and pg_constraint", v.Source.Leading().Name) + " and on " + v.Scope.Leading().Name,
		}
		if m.Kind == cluster.MismatchedType && !m.Certain {
			f.Code, f.Severity = "published_column_type_mismatch", Warning // most values fit
		}
		if m.Kind == cluster.MismatchedRule {
			f.Severity = Warning // most rows satisfy it
		}
		out.report(f, "%s: %s", strings.ToLower(m.Summary[:1])+m.Summary[1:], detail)
		causes = append(causes, detail)
	}
	return causes
}

// subscriptionLag judges how far a subscription is behind its publisher.
func subscriptionLag(s *cluster.Cluster, sub *topology.Subscription, is *facts.Subscription, out *Findings) {
	c := sub.Publisher()
	if c == nil || s.Of(c).Live() == nil {
		return
	}
	const hint = "Check its worker on the subscriber (locks, long transactions, the server log) and the network between them."
	publisher := s.Of(c).Now.Leader.Name
	behind := Finding{Code: "subscription_lagging", Severity: Error, Address: sub.Address(), Node: s.Leading().Name, Evidence: view("pg_stat_replication", publisher), Fix: hint}
	sender := s.Of(c).Live().SenderFrom(is.Options.SlotName)
	if sender == nil || is.Copying() > 0 {
		return // that nobody is connected is reported with its worker
	}
	t := c.Thresholds
	if t.LagBytes != nil && sender.LagBytes != nil && *sender.LagBytes > *t.LagBytes {
		out.report(behind, "%s is %s behind %s; the threshold is %s", is.Name, words.BytesText(*sender.LagBytes), publisher, words.BytesText(*t.LagBytes))
	}
	if t.LagTime != nil && sender.ReplayLag != nil && *sender.ReplayLag > *t.LagTime && sender.LagBytes != nil && *sender.LagBytes > 0 {
		out.report(behind, "%s is %s behind %s; the threshold is %s", is.Name, sender.ReplayLag.Round(time.Millisecond), publisher, *t.LagTime)
	}
}
