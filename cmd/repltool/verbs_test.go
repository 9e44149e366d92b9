package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/repltool/repltool/apply"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/scram"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

const oneServer = `
variable "password" {
  type      = string
  sensitive = true
}
node "pg1" {
  host     = "10.0.0.1"
  data_dir = "/data/pg1"
}
cluster "main" {
  primary = node.pg1
  role "app" { password = var.password }
}
`

// stand is a cluster of make-believe: facts as told, and machines that do as told.
// What needs a real one is in wire_test.go and internal/e2e.
type stand struct {
	apply.Machine
	found  *facts.Node
	locked error
	fail   error
	ran    []string
}

func (s *stand) Inspect(context.Context, []string) facts.Facts {
	return facts.Facts{Nodes: map[string]*facts.Node{"pg1": s.found}}
}

func (s *stand) Glance(_ context.Context, nodes []string, _ time.Duration) map[string]facts.Glance {
	all := map[string]facts.Glance{}
	for _, name := range nodes {
		all[name] = facts.Glance{Asked: time.Now(), Server: s.found.Server, Answered: time.Now()}
	}
	return all
}

func (s *stand) Lock(context.Context, *plan.Plan, apply.LockOptions) (*apply.Locks, error) {
	return nil, s.locked
}

func (s *stand) Env(observer apply.Observer, locks *apply.Locks) apply.Env {
	secrets := topology.Secrets{}
	for _, ref := range []string{"cluster.main.role.app.password", "var.password"} {
		secrets[ref] = topology.NewSecret(ref, canary)
	}
	return apply.Env{
		Machines: map[string]apply.Machine{"pg1": s}, Secrets: secrets, Observer: observer, Locks: locks,
		SCRAM: func(string) (string, error) { return "SCRAM-SHA-256$", nil },
	}
}

func (s *stand) Close() error { return nil }

func (s *stand) do(what string) error {
	s.ran = append(s.ran, what)
	return s.fail
}

func (s *stand) Exec(_ context.Context, _, sql string) error { return s.do(sql) }
func (s *stand) ExecSecret(_ context.Context, _, sql string) error {
	return s.do(sql)
}

func (s *stand) Query(context.Context, string, string) ([][]string, error) {
	return [][]string{{"t"}}, nil
}

func (s *stand) Run(_ context.Context, argv []string, _ bool) (string, error) {
	return "", s.do(argv[0])
}

func (s *stand) Job(_ context.Context, _ string, argv []string, _ func(int64, int64)) error {
	return s.do(argv[0])
}
func (s *stand) ReadFile(context.Context, string) ([]byte, error) { return nil, os.ErrNotExist }
func (s *stand) WriteFile(_ context.Context, path string, _ []byte, _ uint32) error {
	return s.do(path)
}

// fresh is a machine with PostgreSQL's binaries and no cluster.
func fresh() *facts.Node {
	return &facts.Node{Name: "pg1", Host: &facts.Host{
		Hostname: "pg1", OSUser: "postgres", StateDir: "/data/.repltool", Layout: facts.LayoutBare, Version: 15, BinDir: "/bin",
		DataDir: "/data/pg1", ConfigDir: "/data/pg1", SocketDir: "/run", Data: facts.DataDir{State: facts.DataAbsent},
		Service: facts.Service{Kind: "pg_ctl"}, Resolved: map[string][]string{},
		Conf: facts.File{Path: "/data/pg1/postgresql.conf"}, HBA: facts.File{Path: "/data/pg1/pg_hba.conf"},
	}}
}

// byHand is a server that is as the topology has it, and has no mark of repltool.
func byHand(t *testing.T) *facts.Node {
	t.Helper()
	verifier, err := scram.Verifier(canary, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	n := fresh()
	n.Host.Data, n.Host.Running, n.Host.Port = facts.DataDir{State: facts.DataCluster, Version: 15, Owner: "postgres"}, true, 5432
	n.Host.Conf.Exists, n.Host.HBA.Exists, n.Host.HBA.Text = true, true, "local all all peer\n"
	n.Host.Control = &facts.Control{SystemIdentifier: "7", Timeline: 1, State: "in production"}
	n.Server = &facts.Server{
		VersionNum: 150004, Version: "15.4", SystemIdentifier: "7", Timeline: 1, LSN: "0/5000000", ConfLoaded: 1,
		Settings:  map[string]facts.Setting{"port": {Value: "5432", VarType: "integer", Context: "postmaster", Source: "default"}},
		Databases: []facts.Database{{Database: topology.Database{Name: "postgres", Owner: "postgres", Encoding: "UTF8"}}},
		Roles:     []facts.Role{{Role: topology.Role{Name: "app", Login: true, Inherit: true, ConnectionLimit: -1}, Verifier: topology.NewSecret("", verifier)}},
	}
	return n
}

func unreachable() *facts.Node {
	return &facts.Node{Name: "pg1", Error: &facts.ReadError{Kind: facts.Unreachable, Text: "ssh: no route", Hint: "is it up?"}}
}

// command runs repltool in the test's directory with this stand.
func command(t *testing.T, s *stand, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	a := newApp(streams{in: strings.NewReader("yes\n"), out: &out, err: &err})
	a.environ = func(name string) (string, bool) { return canary, name == "REPLTOOL_VAR_password" }
	a.connect = func(*topology.Topology, way) clusters { return s }
	code = a.run(t.Context(), args)
	if all := out.String() + err.String(); strings.Contains(all, "canary") {
		t.Errorf("repltool %v shows the secret:\n%s", args, all)
	}
	return code, out.String(), err.String()
}

func TestExitCodes(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("main.hcl", []byte(oneServer), 0o600); err != nil {
		t.Fatal(err)
	}
	busy := &apply.LockedError{What: "node pg1", Holder: apply.Holder{Who: "alice@desk", Since: time.Unix(0, 0)}}
	for _, c := range []struct {
		args  string
		stand stand
		code  int
		says  string
	}{
		{"plan", stand{found: fresh()}, 0, "Apply it: repltool apply\n"},
		{"plan -detailed-exitcode -target=cluster.main.role.app", stand{found: fresh()}, 2, "-target=cluster.main.role.app"},
		{"plan -out=a.plan", stand{found: fresh()}, 0, "repltool apply a.plan"},
		{"plan", stand{found: unreachable()}, 1, "Not read: pg1"},
		{"plan -json", stand{found: unreachable()}, 1, `"complete": false`},
		{"plan -target=cluster.main.node.pgl", stand{found: fresh()}, 1, `"cluster.main.node.pg1"?`},
		{"drift", stand{found: fresh()}, 2, "To fix: repltool apply"},
		{"drift", stand{found: unreachable()}, 1, "is it up?"},
		{"status", stand{found: unreachable()}, 1, "incomplete"},
		{"status -json", stand{found: unreachable()}, 1, `"complete": false`},
		{"status -nagios", stand{found: unreachable()}, 3, "REPLTOOL UNKNOWN - cluster.main.node.pg1: ssh: no route; main: no standbys"},
		{"status -nagios -var=nothing=1", stand{found: fresh()}, 3, "REPLTOOL UNKNOWN - "},
		{"status -nagios -json", stand{found: fresh()}, 1, "cannot be used with"},
		{"plan -detailed-exitcode", stand{found: byHand(t)}, 0, "No changes. 2 marks of ownership will be written with the next apply.\nTo write them now: repltool apply -adopt"},
		{"plan -json", stand{found: byHand(t)}, 0, `"adopt": [`},
		{"drift", stand{found: byHand(t)}, 0, "No changes. 2 marks"},
		{"drift -quiet", stand{found: byHand(t)}, 0, ""},
		{"apply -auto-approve", stand{found: byHand(t)}, 0, "next apply.\nTo write them now: repltool apply -adopt\n"},
		{"apply -adopt", stand{found: byHand(t)}, 1, "Plan: 1 to create, 1 to update"},
		{"apply -adopt a.plan", stand{}, 1, "-adopt cannot be used with a saved plan"},
		{"graph", stand{found: unreachable()}, 0, "pg1  main: primary    10.0.0.1:5432"},
		{"graph -live", stand{found: fresh()}, 0, "change"},
		{"graph -live", stand{found: unreachable()}, 1, "not read"},
		{"apply", stand{found: fresh()}, 1, "No terminal to ask for approval"},
		{"apply -auto-approve", stand{found: unreachable()}, 1, "ssh: no route"},
		{"apply -auto-approve", stand{found: fresh(), locked: busy}, 4, "alice@desk"},
		{"apply -auto-approve", stand{found: fresh(), fail: errors.New("no: " + canary)}, 1, "Resume with: repltool apply"},
		{"apply -auto-approve -json", stand{found: fresh()}, 0, `"type":"summary"`},
		{"apply -auto-approve a.plan", stand{found: fresh()}, 0, "Check: repltool status"},
		{"apply -auto-approve a.plan", stand{found: unreachable()}, 1, "No readable node"},
		{"apply a.plan -target=x", stand{found: fresh()}, 1, "cannot be used with a saved plan"},
		{"show -json a.plan", stand{}, 0, `"format_version": "1.0"`},
		{"show -format=junit a.plan", stand{}, 0, `<testsuites name="repltool plan"`},
		{"show -format=gitlab a.plan", stand{}, 0, `"create":`},
	} {
		code, out, err := command(t, &c.stand, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(out+err, c.says) {
			t.Errorf("repltool %s: exit code %d, want %d and %q\n%s%s", c.args, code, c.code, c.says, out, err)
		}
		if code != 0 && c.stand.fail == nil && len(c.stand.ran) > 0 {
			t.Errorf("repltool %s ran %q", c.args, c.stand.ran)
		}
	}
}

func TestFilesThatAreWritten(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("main.hcl", []byte(oneServer), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("a.plan", []byte("older"), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, err := command(t, &stand{found: fresh()}, "plan", "-out=a.plan", "-json-into", "b.json"); code != 0 {
		t.Fatal(err)
	}
	if code, _, err := command(t, &stand{found: fresh()}, "apply", "-auto-approve", "-json-into=c.json"); code != 0 {
		t.Fatal(err)
	}
	if code, _, err := command(t, &stand{found: fresh()}, "plan", "-out="+os.DevNull); code != 0 {
		t.Fatal(err)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Fatalf("%s: %v, %v", os.DevNull, info.Mode(), err)
	}
	for _, name := range []string{"a.plan", "b.json", "c.json"} {
		data, err := os.ReadFile(name)
		info, _ := os.Stat(name)
		if err != nil || strings.Contains(string(data), "canary") || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, mode %v", name, err, info.Mode())
		}
		for d := json.NewDecoder(bytes.NewReader(data)); d.More(); {
			if err := d.Decode(new(any)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if left, _ := filepath.Glob(".repltool-*"); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestOddPlanFiles: what is no regular file is an error at once, and so is a huge one.
func TestOddPlanFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := syscall.Mkfifo("fifo.plan", 0o600); err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]int64{"huge.plan": largestPlan + 1, "main.hcl": 0} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(name, size); err != nil {
			t.Fatal(err)
		}
	}
	for file, want := range map[string]string{
		"fifo.plan": "it is a FIFO", "/dev/zero": "it is a device", "huge.plan": "it is larger than 256 MB", "main.hcl": "not a plan file",
	} {
		for _, verb := range []string{"show", "apply"} {
			code, _, err := command(t, &stand{found: fresh()}, verb, file)
			if code != 1 || !strings.Contains(err, want) {
				t.Errorf("%s %s: exit code %d, %s", verb, file, code, err)
			}
		}
	}
}

// A signal at rest is the end at once; one in an apply lets the running step end.
func TestInterrupted(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("main.hcl", []byte(oneServer), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, err bytes.Buffer
	a := newApp(streams{in: strings.NewReader(""), out: &out, err: &err})
	a.environ = func(name string) (string, bool) { return canary, name == "REPLTOOL_VAR_password" }
	s := &interrupting{stand: stand{found: fresh()}, signals: a.signals, err: a.err}
	a.connect = func(*topology.Topology, way) clusters { return s }
	if code := a.run(t.Context(), []string{"apply", "-auto-approve"}); code != int(exitInterrupted) {
		t.Errorf("exit code %d\n%s%s", code, &out, &err)
	}
	if len(s.ran) != 1 || !strings.Contains(out.String(), "Not completed") || !strings.Contains(err.String(), "Ctrl-C again to exit at once") {
		t.Errorf("ran %q\n%s%s", s.ran, &out, &err)
	}
}

// interrupting is a stand whose first program is interrupted.
type interrupting struct {
	stand
	signals *signals
	err     io.Writer
}

func (s *interrupting) Env(observer apply.Observer, locks *apply.Locks) apply.Env {
	env := s.stand.Env(observer, locks)
	env.Machines["pg1"] = s
	return env
}

func (s *interrupting) Run(ctx context.Context, argv []string, root bool) (string, error) {
	s.signals.take(func() {}, s.err)
	return s.stand.Run(ctx, argv, root)
}

func (s *interrupting) Job(ctx context.Context, id string, argv []string, progress func(int64, int64)) error {
	s.signals.take(func() {}, s.err)
	return s.stand.Job(ctx, id, argv, progress)
}
