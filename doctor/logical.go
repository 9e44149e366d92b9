package doctor

import (
	"slices"
	"strings"
	"time"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// What stops a subscription that follows, or keeps it behind: tables that no longer match,
// and lag beyond the thresholds of its publisher's cluster (PostgreSQL docs, 29.10
// "Monitoring").

// mismatches compares the tables that a subscription follows, which was checked when they
// were new in it and changes since. What stops replication is reported as an error, also
// before it does; it answers these as causes.
func mismatches(v *cluster.Subscription, out *draft.Findings) []string {
	if v.Is == nil || v.Source == nil || v.Blind || v.Remote == nil || v.Local == nil {
		return nil
	}
	var found []cluster.Mismatch
	published := v.PublishedTables()
	for _, name := range v.Subscribed() {
		if local := v.Local.Table(name); local != nil && slices.Contains(published, name) {
			found = append(found, v.TableMismatches(name, local)...)
		}
	}
	var causes []string
	for _, m := range found {
		detail := strings.TrimPrefix(m.Detail, v.ID+": ")
		severity := plan.Error
		if m.Summary == "Column type mismatch" && !m.Certain {
			severity = plan.Warning // most values fit
		}
		out.TellHealth(severity, v.Address(), "", "%s: %s", strings.ToLower(m.Summary[:1])+m.Summary[1:], detail)
		causes = append(causes, detail)
	}
	return causes
}

// subscriptionLag judges how far a subscription is behind its publisher.
func subscriptionLag(s *cluster.Cluster, sub *topology.Subscription, is *facts.Subscription, out *draft.Findings) {
	c := sub.Publisher()
	if c == nil || s.Of(c).Live() == nil {
		return
	}
	publisher := s.Of(c).Now.Leader.Name
	const hint = "Check its worker on the subscriber (locks, long transactions, the server log) and the network between them."
	sender := s.Of(c).Live().SenderTo(is.Options.SlotName, "")
	if sender == nil || sender.SlotName != is.Options.SlotName || is.Copying() > 0 {
		return // that nobody is connected is told with its worker
	}
	t := c.Thresholds
	if t.LagBytes != nil && sender.LagBytes != nil && *sender.LagBytes > *t.LagBytes {
		out.TellHealth(plan.Error, sub.Address(), hint, "%s is %s behind %s; the threshold is %s", is.Name, words.BytesText(*sender.LagBytes), publisher, words.BytesText(*t.LagBytes))
	}
	if t.LagTime != nil && sender.ReplayLag != nil && *sender.ReplayLag > *t.LagTime && sender.LagBytes != nil && *sender.LagBytes > 0 {
		out.TellHealth(plan.Error, sub.Address(), hint, "%s is %s behind %s; the threshold is %s", is.Name, sender.ReplayLag.Round(time.Millisecond), publisher, *t.LagTime)
	}
}

// UnreadDatabases reports the databases that could not be read: nothing of them is compared.
func UnreadDatabases(s *cluster.Cluster, out *draft.Findings) {
	if s.Live() == nil {
		return
	}
	for _, name := range list.SortedKeys(s.Live().Logical) {
		if found := s.Live().Logical[name]; found != nil && found.Error != nil {
			out.TellDrift(s.Address("database", name), s.Leading().Name,
				"database %s could not be read, and its publications and subscriptions are not compared: %s", pg.Ident(name), found.Error.Text)
		}
	}
}
