package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// subscriptionHealth tells of subscriptions that do not follow (PostgreSQL docs,
// 29.10 "Monitoring").
func subscriptionHealth(s *scope, out *findings) {
	for _, sub := range s.subscriptions() {
		found, _ := s.logical(sub.Database)
		if is := found.Subscription(sub.Name); is != nil {
			causes := s.subscription(sub, found).mismatches(out)
			s.oneSubscriptionHealth(sub.Address(), is, causes, out)
			s.cutOffCopies(sub, is, out)
			s.subscriptionLag(sub, is, out)
		}
	}
	s.leftoverSlots(out)
}

func (s *scope) oneSubscriptionHealth(address topology.Address, is *facts.Subscription, causes []string, out *findings) {
	n := s.cluster.Primary.Name
	bad := func(severity Severity, hint, format string, args ...any) {
		out.tellHealth(severity, address, hint, format, args...)
	}
	likely := ""
	if len(causes) > 0 {
		likely = ". Likely cause: " + few(causes)
	}
	failures := ""
	if is.ApplyErrors+is.SyncErrors > 0 {
		failures = fmt.Sprintf(" (%s applying, %s copying so far)", counted(int(is.ApplyErrors), "error"), counted(int(is.SyncErrors), "error"))
	}
	copying := is.Copying()
	switch {
	case !is.Options.Enabled && failures != "" && isOn(is.Options.DisableOnError):
		bad(Error, "the log of "+n+" has the error: mend its cause, then enable it by apply"+likely, "%s was disabled by an error%s", is.Name, failures)
	case !is.Options.Enabled:
		bad(Warning, "its slot holds back WAL on the publisher", "%s is disabled", is.Name)
	case is.Worker == nil:
		bad(Error, "the log of "+n+" says why: the publisher cannot be reached, or a row cannot be applied"+likely, "%s has no worker that applies%s", is.Name, failures)
	case copying > 0 && is.Worker.Syncing == 0 || copying > 0 && is.SyncErrors > 0:
		bad(Error, "the log of "+n+" says why"+likely, "%s: %d of %s are not copied%s", is.Name, copying, counted(len(is.Tables), "table"), failures)
	case copying > 0:
		bad(Warning, "", "%s: %d of %s are still being copied", is.Name, copying, counted(len(is.Tables), "table"))
	}
}

// cutOffCopies tells of tables whose copy ended and whose slot is gone: PostgreSQL drops
// the slot before it notes that the table is done, and a publisher that is lost in
// between leaves it behind for ever (process_syncing_tables_for_sync in its source).
func (s *scope) cutOffCopies(sub *topology.Subscription, is *facts.Subscription, out *findings) {
	if sub.Publisher() == nil || is.Worker != nil && is.Worker.Syncing > 0 && is.SyncErrors == 0 {
		return
	}
	of := s.of(sub.Publisher())
	publisher := of.cluster.Primary
	for _, t := range is.Tables {
		if t.Slot == "" || !of.running(publisher) || of.foundSlot(publisher, t.Slot) != nil {
			continue
		}
		out.tellHealth(Error, sub.Address(), s.copyOneAgain(sub, t.Table),
			"%s: the copy of %s was cut off at its very end: its slot on %s is gone, and PostgreSQL tries for ever", is.Name, t.Table, publisher.Name)
	}
}

// copyOneAgain says how to copy one table again, by who fills it.
func (s *scope) copyOneAgain(sub *topology.Subscription, name topology.TableName) string {
	local, _ := s.logical(sub.Database)
	v := s.subscription(sub, local)
	rows := "delete the rows that came by it from " + name.String() + " (all, if nothing else writes to it)"
	if filter := v.remote.RowFilter(sub, name); filter != "" {
		rows = deleteSQL(name, filter)
	} else if len(v.fillers(name)) > 0 {
		rows = "delete the rows of " + v.publisher.cluster.Primary.Name + " from " + name.String() + ", which other subscriptions fill too, and write copy_data = \"merge\""
	}
	return "To fix: take it out of the publication and apply. On " + s.cluster.Primary.Name + " " + rows + ". Put it back and apply: it is copied again."
}

// leftoverSlots are those of initial table copies whose subscription is gone. Whose a slot
// is its name tells: the subscription's OID and the subscriber's system identifier. A slot
// of a system that is not defined in the topology, or of a subscription that exists, may
// belong to a copy under way, though it is not active at the moment.
func (s *scope) leftoverSlots(out *findings) {
	n := s.cluster.Primary
	if s.live() == nil {
		return
	}
	for _, slot := range s.live().Slots {
		if subscription, system, ok := copySlot(slot.Name); ok && !slot.Active && s.subscriptionGone(subscription, system) {
			out.tellHealth(Error, s.address("slot", slot.Name), "drop it: SELECT pg_drop_replication_slot("+literal(slot.Name)+");",
				"slot %s on %s is left of a table's copy, and holds back WAL: its subscription no longer exists", ident(slot.Name), n.Name)
		}
	}
}

// copySlot reads the name that PostgreSQL gives to the slot of a table's copy:
// pg_SUBSCRIPTION_sync_TABLE_SYSTEM.
func copySlot(name string) (subscription int64, system string, ok bool) {
	parts := strings.Split(name, "_")
	if len(parts) != 5 || parts[0] != "pg" || parts[2] != "sync" || !isDigits(parts[3]) || !isDigits(parts[4]) {
		return 0, "", false
	}
	subscription, err := strconv.ParseInt(parts[1], 10, 64)
	return subscription, parts[4], err == nil
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// subscriptionGone tells that the subscriber of that system identifier was read, and has no
// such subscription.
func (s *scope) subscriptionGone(subscription int64, system string) bool {
	read := false
	for _, n := range s.topology.Nodes {
		server := s.found(n).Server
		if server == nil || server.SystemIdentifier != system {
			continue
		}
		if slices.Contains(server.SubscriptionOIDs, subscription) {
			return false
		}
		read = true
	}
	return read
}
