package draft

import (
	"testing"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// TestReceiving compares the query of a wait with what a plan makes of the same receiver:
// both look for each parameter as the server shows it.
func TestReceiving(t *testing.T) {
	const want = "SELECT EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming'" +
		"\n  AND strpos(' ' || conninfo || ' ', ' host=10.0.0.1 ') > 0" +
		"\n  AND strpos(' ' || conninfo || ' ', ' application_name=pg2 ') > 0" +
		"\n  AND slot_name = 'pg2'" + served + ")"
	if got := receiving(map[string]string{"host": "10.0.0.1", cluster.ApplicationKey: "pg2", "dbname": "postgres"}, nil, "pg2"); got != want {
		t.Errorf("receiving:\n%s\nwant\n%s", got, want)
	}
	for _, c := range []struct{ set, shown, slot, want string }{
		{"host=10.0.0.1 port=5432", "user=x host=10.0.0.1 port=5432 sslmode=prefer", "pg2", ""},
		{"host=10.0.0.1 port=5432", "user=x host=10.0.0.11 port=5432 sslmode=prefer", "pg2", "host"},
		{"host=10.0.0.1 sslmode=disable", "host=10.0.0.1 sslmode=prefer", "pg2", "sslmode"},
		{"host=10.0.0.1 application_name=b", "host=10.0.0.1 fallback_application_name=b", "pg2", cluster.ApplicationKey},
		{"host=10.0.0.1", "host=10.0.0.1 application_name=b", "pg2", cluster.ApplicationKey},
		{"host=10.0.0.1", "host=10.0.0.1 fallback_application_name=b", "pg2", ""},
		{"host=10.0.0.1", "host=10.0.0.1", "old", "slot"},
		{"host=10.0.0.1", "", "old", ""}, // nothing can be known
	} {
		server := &facts.Server{
			ConnInfo: topology.NewSecret("", c.set), Settings: map[string]facts.Setting{"primary_slot_name": {Value: "pg2"}},
			Receiver: &facts.Receiver{Status: "streaming", ConnInfo: c.shown, SlotName: c.slot},
		}
		if got := Outdated(server); got != c.want {
			t.Errorf("outdated(%q, %q, slot %s) = %q, want %q", c.set, c.shown, c.slot, got, c.want)
		}
	}
}
