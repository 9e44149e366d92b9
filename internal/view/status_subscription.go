package view

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// SubscriptionStatus is one subscription of the topology, as found. Nil is what
// PostgreSQL says NULL for, or what could not be asked.
type SubscriptionStatus struct {
	Address   string `json:"address"`
	Node      string `json:"node"`
	Database  string `json:"database"`
	Publisher string `json:"publisher"` // node, or the host of one outside
	Slot      string `json:"slot,omitempty"`
	// State: streaming, copying, restarting (its worker ends and starts again), not
	// connected, disabled, none (it is not there) or
	// unknown.
	State    string   `json:"state"`
	Ready    int      `json:"tables_ready"`
	Tables   int      `json:"tables"`
	LagBytes *int64   `json:"lag_bytes"` // from the publisher's end of WAL to what was applied
	LagTime  *float64 `json:"lag_seconds"`
	Errors   int64    `json:"errors"` // since the statistics were reset; PostgreSQL 15
	// The same by phase; nil before PostgreSQL 15, which does not count them.
	ApplyErrors *int64 `json:"apply_errors"`
	SyncErrors  *int64 `json:"sync_errors"`
}

// subscriptionsOf returns the state of a cluster's subscriptions.
func subscriptionsOf(t *topology.Topology, c *topology.Cluster, f facts.Facts) []SubscriptionStatus {
	all := []SubscriptionStatus{}
	for _, sub := range t.Subscriptions {
		if sub.Cluster == c {
			all = append(all, subscriptionStatus(sub, f))
		}
	}
	return all
}

func subscriptionStatus(sub *topology.Subscription, f facts.Facts) SubscriptionStatus {
	s := SubscriptionStatus{Address: sub.ID, Node: sub.Cluster.Primary.Name, Database: sub.Database, State: "unknown"}
	publisher := sub.Publisher()
	if publisher != nil {
		s.Publisher = publisher.Primary.Name
	} else {
		s.Publisher = sub.Connection.Host
	}
	node := f.Nodes[s.Node]
	if node == nil || node.Server == nil {
		return s
	}
	found, read := node.Server.Logical[sub.Database]
	if read && found.Error != nil {
		return s
	}
	is := found.Subscription(sub.Name)
	if is == nil {
		s.State = "none"
		return s
	}
	s.Slot, s.Tables, s.Errors = is.Options.SlotName, len(is.Tables), is.ApplyErrors+is.SyncErrors
	if node.Server.Major() >= 15 {
		s.ApplyErrors, s.SyncErrors = &is.ApplyErrors, &is.SyncErrors
	}
	s.Ready = len(is.Tables) - is.Copying()
	var server *facts.Server
	if publisher != nil && f.Nodes[publisher.Primary.Name] != nil {
		server = f.Nodes[publisher.Primary.Name].Server
	}
	s.State = subscriptionState(is, s.Ready, server)
	s.lag(server)
	return s
}

func subscriptionState(is *facts.Subscription, ready int, publisher *facts.Server) string {
	switch {
	case !is.Options.Enabled:
		return "disabled"
	case is.Worker == nil:
		return "not connected"
	case is.Restarting(publisher):
		return "restarting"
	case ready < len(is.Tables):
		return "copying"
	}
	return "streaming"
}

// lag takes what the publisher says of the process that serves the slot. Without one the
// subscriber's worker is on its way to its next try, whatever it says of itself.
func (s *SubscriptionStatus) lag(publisher *facts.Server) {
	if publisher == nil || s.Slot == "" {
		return
	}
	sender := publisher.SenderFrom(s.Slot)
	if sender != nil {
		s.LagBytes = sender.LagBytes
		if sender.ReplayLag != nil {
			seconds := sender.ReplayLag.Seconds()
			s.LagTime = &seconds
		}
	} else if s.State == "streaming" || s.State == "copying" {
		s.State = "not connected"
	}
}

func (p *printer) subscriptions(all []SubscriptionStatus) {
	rows := [][]string{{"SUBSCRIPTION", "ON", "PUBLISHER", "SLOT", "STATE", "TABLES", "LAG", "TIME", "ERRORS"}}
	for _, s := range all {
		tables, errors := "", ""
		if s.Tables > 0 {
			tables = fmt.Sprintf("%d/%d", s.Ready, s.Tables)
		}
		if s.Errors > 0 {
			errors = strconv.FormatInt(s.Errors, 10)
		}
		rows = append(rows, []string{strings.TrimPrefix(s.Address, "subscription."), s.Node, s.Publisher, s.Slot, s.State, tables, lagBytes(s.LagBytes), lagTime(s.LagTime), errors})
	}
	p.table(rows)
}
