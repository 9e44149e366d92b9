package view

import (
	"strings"
	"testing"
)

// TestSubscriptionsFitTheTerminal: the table is no wider than 80 columns with names of the usual
// length.
func TestSubscriptionsFitTheTerminal(t *testing.T) {
	var b strings.Builder
	bytes, seconds := int64(120<<10), 0.5
	p := &printer{w: &b}
	p.subscriptions([]SubscriptionStatus{{
		Address: "subscription.orders", Node: "pg1", Publisher: "pg2", Slot: "orders", State: "streaming",
		Ready: 2, Tables: 2, LagBytes: &bytes, LagTime: &seconds, Errors: 3,
	}})
	lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	for _, line := range lines {
		if len([]rune(line)) > 80 {
			t.Errorf("%d columns: %s", len([]rune(line)), line)
		}
	}
	if last := lines[len(lines)-1]; strings.Join(strings.Fields(last), " ") != "orders pg1 pg2 orders streaming 2/2 120 kB 500ms 3" {
		t.Errorf("got %q", last)
	}
}
