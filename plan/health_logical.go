package plan

import (
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// What stops a subscription that follows, or keeps it behind: tables that no longer match,
// and lag beyond the thresholds of its publisher's cluster (PostgreSQL docs, 29.10
// "Monitoring").

// mismatches compares the tables that a subscription follows, which was checked when they
// were new in it and changes since. What stops replication is reported as an error, also
// before it does; it answers these as causes.
func (v *subscription) mismatches(out *findings) []string {
	if v.is == nil || v.publisher == nil || v.blind || v.remote == nil || v.local == nil {
		return nil
	}
	found := &findings{}
	published := v.publishedTables()
	for _, name := range v.subscribed() {
		if local := v.local.Table(name); local != nil && slices.Contains(published, name) {
			v.checkShape(name, local, found)
		}
	}
	var causes []string
	for _, d := range found.diags {
		detail := strings.TrimPrefix(d.Detail, v.ID+": ")
		severity := Error
		if d.Summary == "Column types differ" && d.Severity == hcl.DiagWarning {
			severity = Warning // most values fit
		}
		out.tellHealth(severity, v.Address(), "", "%s: %s", strings.ToLower(d.Summary[:1])+d.Summary[1:], detail)
		causes = append(causes, detail)
	}
	return causes
}

// subscriptionLag judges how far a subscription is behind its publisher.
func (s *scope) subscriptionLag(sub *topology.Subscription, is *facts.Subscription, out *findings) {
	c := sub.Publisher()
	if c == nil || !s.of(c).running(c.Primary) {
		return
	}
	const hint = "Check its worker on the subscriber: locks, long transactions, the server log; and the network between them."
	sender := s.found(c.Primary).Server.SenderTo(is.Options.SlotName, "")
	if sender == nil || sender.SlotName != is.Options.SlotName || is.Copying() > 0 {
		return // that nobody is connected is told with its worker
	}
	t := c.Thresholds
	if t.LagBytes != nil && sender.LagBytes != nil && *sender.LagBytes > *t.LagBytes {
		out.tellHealth(Error, sub.Address(), hint, "%s is %s behind %s; the threshold is %s", is.Name, bytesText(*sender.LagBytes), c.Primary.Name, bytesText(*t.LagBytes))
	}
	if t.LagTime != nil && sender.ReplayLag != nil && *sender.ReplayLag > *t.LagTime && sender.LagBytes != nil && *sender.LagBytes > 0 {
		out.tellHealth(Error, sub.Address(), hint, "%s is %s behind %s; the threshold is %s", is.Name, sender.ReplayLag.Round(time.Millisecond), c.Primary.Name, *t.LagTime)
	}
}
