package endpoints_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/endpoints"
	"github.com/repltool/repltool/topology"
)

const three = `
node "pg1" { host = "10.0.0.1" }
node "pg2" { host = "10.0.0.2" }
node "pg3" { host = "10.0.0.3" }
cluster "main" {
  primary  = node.pg1
  standbys = [node.pg2, node.pg3]
  role "replicator" {
    replication = true
    password    = "canary"
  }
}
`

// stand is servers of make-believe: each glance has them as they are, and then moves them on.
type stand struct {
	nodes map[string]*facts.Node
	// glanced is called after each look, with its number.
	glanced func(s *stand, look int)
	looks   int
}

func (s *stand) Inspect(context.Context, []string) facts.Facts {
	all := facts.Facts{Nodes: map[string]*facts.Node{}}
	for name, n := range s.nodes {
		one := *n
		one.Server = copied(n.Server)
		all.Nodes[name] = &one
	}
	return all
}

func (s *stand) Glance(_ context.Context, names []string, _ time.Duration) map[string]facts.Glance {
	all := map[string]facts.Glance{}
	for _, name := range names {
		g := facts.Glance{Asked: time.Now(), Server: copied(s.nodes[name].Server)}
		if g.Server == nil {
			g.Error = &facts.ReadError{Kind: facts.Unreachable, Text: "connection refused"}
		}
		g.Answered = time.Now()
		all[name] = g
	}
	if s.looks++; s.glanced != nil {
		s.glanced(s, s.looks)
	}
	return all
}

func copied(server *facts.Server) *facts.Server {
	if server == nil {
		return nil
	}
	one := *server
	if one.Receiver != nil {
		receiver := *one.Receiver
		one.Receiver = &receiver
	}
	return &one
}

// healthy is pg1 with pg2 and pg3, which stream from it and have all that it has.
func healthy() *stand {
	s := &stand{nodes: map[string]*facts.Node{}}
	for _, name := range []string{"pg1", "pg2", "pg3"} {
		s.nodes[name] = &facts.Node{Name: name, Host: &facts.Host{
			Data: facts.DataDir{State: facts.DataCluster}, Running: true, Control: &facts.Control{SystemIdentifier: "1", Timeline: 1},
		}, Server: &facts.Server{SystemIdentifier: "1", Timeline: 1, LSN: "0/5000000", Settings: map[string]facts.Setting{}}}
	}
	s.server("pg1").LSN = "0/5000000"
	for _, name := range []string{"pg2", "pg3"} {
		s.follow(name, "pg1", "10.0.0.1")
	}
	return s
}

func (s *stand) server(name string) *facts.Server { return s.nodes[name].Server }

// follow has a standby stream from another server.
func (s *stand) follow(name, upstream, address string) {
	server := s.server(name)
	server.InRecovery = true
	server.Receiver = &facts.Receiver{Status: "streaming", ReceiveLSN: server.LSN}
	server.ConnInfo = topology.NewSecret("conninfo", "host="+address+" port=5432 application_name="+name)
	server.Settings["primary_slot_name"] = facts.Setting{Value: name}
	s.server(upstream).Senders = append(s.server(upstream).Senders, facts.Sender{ApplicationName: name, State: "streaming", SlotName: name})
}

func load(t *testing.T, text string) *topology.Topology {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.hcl"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	top, diags := topology.Load(dir, topology.Inputs{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return top
}

// summary is who writes, who is read from, and what is wrong: "write pg1, read pg2: pg3 is down".
func summary(a endpoints.Answer) string {
	text := "write none"
	if a.Writer != nil {
		text = "write " + a.Writer.Name
	}
	text += ", read"
	for _, n := range a.Readers() {
		text += " " + n.Name
	}
	if a.Stale != "" {
		text += "\nstale: " + a.Stale
	}
	if a.Refused != "" {
		text += "\nrefused: " + a.Refused
	}
	for _, m := range a.Members {
		if m.Why != "" {
			text += "\n" + m.Node.Name + " " + m.Why
		}
	}
	return text
}

// TestLook has one thing wrong with healthy servers, and expects who is given, and why the others
// are not.
func TestLook(t *testing.T) {
	for name, c := range map[string]struct {
		change func(s *stand)
		want   []string
	}{
		"all is well":       {func(*stand) {}, []string{"write pg1, read pg2 pg3"}},
		"a standby is down": {func(s *stand) { s.down("pg2", "shut down in recovery") }, []string{"write pg1, read pg3", "pg2 is down"}},
		"replay is paused":  {func(s *stand) { s.server("pg2").Receiver.ReplayPaused = true }, []string{"write pg1, read pg3", "pg2 its replay is paused"}},
		"a delay":           {func(s *stand) { s.delay("pg2", "3600000") }, []string{"write pg1, read pg3", "pg2 delays its replay by 1h0m0s"}},
		"a delay that fits": {func(s *stand) { s.delay("pg2", "50") }, []string{"write pg1, read pg2 pg3"}},
		"no receiver":       {func(s *stand) { s.server("pg2").Receiver = &facts.Receiver{} }, []string{"write pg1, read pg3", "pg2 is not connected"}},
		"half a connection": {func(s *stand) { s.server("pg1").Senders = s.server("pg1").Senders[1:] }, []string{"read pg3", "pg1 has no WAL sender for pg2"}},
		"catching up":       {func(s *stand) { s.server("pg1").Senders[0].State = "catchup" }, []string{"read pg3", "pg2 is in state catchup on pg1"}},
		"stuck":             {func(s *stand) { s.server("pg2").LSN = "0/4000000" }, []string{"write pg1, read pg3", "pg2 lag > 300ms: it has not replayed what pg1 had written", "16 MB behind"}},
		"another timeline":  {func(s *stand) { s.timeline("pg1", 2); s.timeline("pg3", 2) }, []string{"write pg1, read pg3", "pg2 is on timeline 1, and pg1 on 2"}},
		"two primaries":     {func(s *stand) { s.promote("pg2", 2) }, []string{"write none, read\n", "refused: 2 members accept writes: pg1 (timeline 1, 0/5000000), pg2 (timeline 2"}},
		"an old primary":    {func(s *stand) { s.timeline("pg3", 2) }, []string{"write none, read\n", "refused: pg1 accepts writes on timeline 1, and pg3 has WAL of timeline 2"}},
		"a new server":      {func(s *stand) { s.promote("pg2", 1); s.server("pg2").SystemIdentifier = "2" }, []string{"write pg1, read pg3", "pg2 has the data of another cluster"}},
		"moved by hand":     {func(s *stand) { s.move() }, []string{"write pg2, read pg1 pg3"}},
		"the primary is down": {func(s *stand) { s.down("pg1", "in production") }, []string{
			"write none, read pg2 pg3", "stale: No member accepts writes: how old",
		}},
		"the primary is down, and one standby far behind": {func(s *stand) { s.down("pg1", "in production"); s.server("pg3").LSN = "0/1000000" }, []string{
			"write none, read pg2\n", "pg3 lacks too much",
		}},
		"the primary was not read": {func(s *stand) {
			s.nodes["pg1"] = &facts.Node{Name: "pg1", Error: &facts.ReadError{Text: "no route to host"}}
		}, []string{"write none, read pg2 pg3", "and pg1 could not be read: the primary may be there", "pg1 could not be read: no route to host"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			top := load(t, three)
			s := healthy()
			c.change(s)
			a, err := endpoints.New(endpoints.Only(top, top.Clusters[0]), s, 300*time.Millisecond, facts.Branch{}).Look(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range c.want {
				if got := summary(a); !strings.Contains(got+"\n", want) {
					t.Errorf("want %q in\n%s", want, got)
				}
			}
		})
	}
}

func (s *stand) down(name, state string) {
	s.nodes[name].Server, s.nodes[name].Host.Running, s.nodes[name].Host.Control.State = nil, false, state
}

func (s *stand) delay(name, milliseconds string) {
	s.server(name).Settings["recovery_min_apply_delay"] = facts.Setting{Value: milliseconds, Unit: "ms", VarType: "integer"}
}

func (s *stand) timeline(name string, n int) { s.server(name).Timeline = n }

func (s *stand) promote(name string, timeline int) {
	server := s.server(name)
	server.InRecovery, server.Receiver, server.Timeline = false, nil, timeline
}

// move makes pg2 the primary, and the others its standbys.
func (s *stand) move() {
	s.server("pg1").Senders = nil
	s.promote("pg2", 2)
	for _, name := range []string{"pg1", "pg3"} {
		s.timeline(name, 2)
		s.follow(name, "pg2", "10.0.0.2")
	}
}

// TestLookDuringMove has the primary move between two looks: pg1 was seen as a primary before,
// and pg2 after. That is no split brain.
func TestLookDuringMove(t *testing.T) {
	top := load(t, three)
	s := healthy()
	s.server("pg1").InRecovery = false
	s.promote("pg2", 2) // seen as a primary in the first look, beside pg1, which was asked before
	s.glanced = func(s *stand, look int) {
		if look == 1 {
			s.move()
		}
	}
	a, err := endpoints.New(endpoints.Only(top, top.Clusters[0]), s, 300*time.Millisecond, facts.Branch{}).Look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := summary(a); got != "write pg2, read pg1 pg3" {
		t.Error(got)
	}
}

// TestLookWaits has a standby replay late what the primary had: it is within the limit, and not
// pending when that shows.
func TestLookWaits(t *testing.T) {
	top := load(t, three)
	s := healthy()
	s.server("pg3").LSN = "0/4FFFF00"
	s.glanced = func(s *stand, look int) {
		if look == 4 {
			s.server("pg3").LSN = "0/5000000"
		}
	}
	a, err := endpoints.New(endpoints.Only(top, top.Clusters[0]), s, 30*time.Second, facts.Branch{}).Look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := summary(a); got != "write pg1, read pg2 pg3" || s.looks < 5 {
		t.Errorf("after %d looks: %s", s.looks, got)
	}
	for _, m := range a.Members {
		if m.Node.Name == "pg3" && (m.Lag == nil || *m.Lag > 30*time.Second) {
			t.Errorf("lag %v", m.Lag)
		}
	}
}

// TestLookAfter asks who has what was written up to a token.
func TestLookAfter(t *testing.T) {
	for name, c := range map[string]struct {
		after facts.Branch
		want  string
	}{
		"all have it":          {facts.Branch{Timeline: 2, LSN: "0/4FFFF00"}, "write pg1, read pg2 pg3"},
		"one has it":           {facts.Branch{Timeline: 2, LSN: "0/5000000"}, "write pg1, read pg2\npg3 "},
		"of before the move":   {facts.Branch{Timeline: 1, LSN: "0/4000000"}, "write pg1, read pg2 pg3"},
		"lost in a failover":   {facts.Branch{Timeline: 1, LSN: "0/4000100"}, "void: 1:0/4000100 is lost: pg1 left timeline 1 at 0/4000000, before it"},
		"of a newer timeline":  {facts.Branch{Timeline: 3, LSN: "0/4000000"}, "void: 3:0/4000000 is of timeline 3, and pg1 is on 2"},
		"of another cluster":   {facts.Branch{Timeline: 2, LSN: "A/4000000"}, "void: 2:A/4000000 is beyond what pg1 has written"},
		"about to be written":  {facts.Branch{Timeline: 2, LSN: "0/5000100"}, "write pg1, read\npg2 has not replayed"},
		"of an unknown branch": {facts.Branch{Timeline: 0, LSN: "0/4000000"}, "void: 0:0/4000000: timeline 0 is not in the history of pg1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			top := load(t, three)
			s := healthy()
			for _, name := range []string{"pg1", "pg2", "pg3"} {
				s.timeline(name, 2)
			}
			s.nodes["pg1"].Host.History = facts.History{Timeline: 2, Left: []facts.Branch{{Timeline: 1, LSN: "0/4000000"}}}
			s.server("pg3").LSN = "0/4FFFF80"
			first := true
			s.glanced = func(s *stand, _ int) { // what pg3 has is not too old: the primary was there in the first look
				if first {
					first = false
					s.server("pg1").LSN = "0/5000000"
				}
			}
			s.server("pg1").LSN = "0/4FFFF80"
			a, err := endpoints.New(endpoints.Only(top, top.Clusters[0]), s, 300*time.Millisecond, c.after).Look(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got := summary(a)
			if a.Void != "" {
				got = "void: " + a.Void
			}
			if !strings.Contains(got, c.want) {
				t.Errorf("got %s", got)
			}
		})
	}
}
