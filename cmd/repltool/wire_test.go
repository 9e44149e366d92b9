package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/repltool/repltool/apply"
	"github.com/repltool/repltool/internal/pgtest"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/providers"
	"github.com/repltool/repltool/providers/host/ssh"
	"github.com/repltool/repltool/topology"
)

const canary = `canary-9b1'\e:1`

// world is one real server on this machine, opened as a fleet.
type world struct {
	pg       *pgtest.Server
	machines map[string]machine
	events   *recorder
	env      apply.Env
}

type recorder struct{ events []apply.Event }

func (r *recorder) Observe(e apply.Event) { r.events = append(r.events, e) }

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{pg: pgtest.Start(t, pgtest.Options{Conf: []string{"log_statement = all"}}), events: &recorder{}}
	n := &topology.Node{
		Name: "pg1", Access: topology.AccessLocal, Port: w.pg.Port, OSUser: w.pg.User,
		DataDir: w.pg.DataDir, SocketDir: w.pg.SocketDir, BinDir: w.pg.Bin,
	}
	top := &topology.Topology{Nodes: []*topology.Node{n}, Clusters: []*topology.Cluster{{Name: "main", ID: "cluster.main", Primary: n}}}
	fleet := providers.Open(top, dialer(ssh.Options{}))
	t.Cleanup(func() { _ = fleet.Close() })
	if found := fleet.Inspect(t.Context(), providers.InspectOptions{}).Nodes["pg1"]; !found.Complete() || found.Server == nil {
		t.Fatalf("inspect: %v, %v", found.Error, found.ServerError)
	}
	w.machines = machines(fleet, top)
	w.env = environment(w.machines, topology.Secrets{"p": topology.NewSecret("p", canary)}, w.events, nil)
	return w
}

// plan makes each operation a step of one change.
func (w *world) plan(ops ...plan.Op) *plan.Plan {
	p := &plan.Plan{Fingerprint: "f1", Nodes: []plan.Node{{Name: "pg1", Cluster: "cluster.main", Role: "primary"}}}
	for i, op := range ops {
		p.Steps = append(p.Steps, plan.Step{ID: string(rune('a' + i)), Address: "cluster.main", Node: "pg1", Why: "step", Op: op})
	}
	return p
}

func sql(text string) plan.SQL { return plan.SQL{Database: maintenance, SQL: plan.Text{Text: text}} }

// withSecret puts a secret where the text says @.
func withSecret(text string, form plan.SecretForm) plan.Text {
	before, after, _ := strings.Cut(text, "@")
	return plan.Text{Text: before + topology.Redacted + after, Secrets: []plan.SecretUse{{Offset: len(before), Ref: "p", Form: form}}}
}

const hbaErrors = "SELECT line_number, error FROM pg_hba_file_rules WHERE error IS NOT NULL"

// The loop of an apply on a real server: locks, statements, a file that the server
// checks, a restart in the middle, the ledger.
func TestApplyOnARealServer(t *testing.T) {
	w := newWorld(t)
	hba := filepath.Join(w.pg.DataDir, "pg_hba.conf")
	p := w.plan(
		sql("CREATE SCHEMA repltool;\nCREATE TABLE repltool.applies (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, who text NOT NULL, started timestamptz NOT NULL, ended timestamptz, plan text NOT NULL, result text NOT NULL);"),
		plan.SQL{Database: maintenance, SQL: withSecret("CREATE ROLE app LOGIN PASSWORD @;", plan.FormSCRAM)},
		plan.File{Path: hba, Block: &plan.Block{Name: "main", First: true}, Content: plan.Text{Text: "local  all  app  scram-sha-256\n"}, Check: hbaErrors, Database: maintenance},
		plan.Command{Argv: []string{filepath.Join(w.pg.Bin, "pg_ctl"), "--pgdata", w.pg.DataDir, "--wait", "--log", filepath.Join(w.pg.SocketDir, "log2"), "--mode", "fast", "restart"}, Timeout: time.Minute},
		plan.Wait{Database: maintenance, Query: "SELECT NOT pg_is_in_recovery()", What: "pg1 accepts connections", Timeout: time.Minute},
		plan.Wait{Database: maintenance, Query: "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory'", What: "the lock is back", Timeout: time.Minute},
	)
	locks, err := apply.AcquireLocks(t.Context(), p, lockable(w.machines), apply.LockOptions{Me: whoami(time.Now())})
	if err != nil {
		t.Fatal(err)
	}
	w.env.Locks = locks
	r := apply.Run(t.Context(), p, w.env, apply.Options{})
	if !r.OK() {
		t.Fatal(r.Err())
	}
	if err := locks.Record(t.Context(), r); err != nil {
		t.Error(err)
	}
	if err := locks.Release(); err != nil {
		t.Error(err)
	}
	if got, want := strings.Join(w.pg.Query(t, "SELECT who, plan, result FROM repltool.applies")[0], "|"), whoami(time.Now()).Who+"|f1|done: 6 steps"; got != want {
		t.Errorf("ledger %q, want %q", got, want)
	}
	if got := w.pg.Query(t, "SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = 'app'")[0][0]; got != "t" {
		t.Error("no verifier is stored")
	}
	if text, err := os.ReadFile(hba); err != nil || !strings.HasPrefix(string(text), "# repltool main: begin\nlocal  all  app") {
		t.Errorf("pg_hba.conf: %.60s, %v", text, err)
	}
	for _, log := range []string{"log", "log2"} {
		if text, err := os.ReadFile(filepath.Join(w.pg.SocketDir, log)); err != nil || strings.Contains(string(text), "canary") {
			t.Errorf("%s: the password is in it, or %v", log, err)
		}
	}
}

// What the server refuses is put back, and what it quotes of a statement is struck.
func TestRefusalsOfARealServer(t *testing.T) {
	w := newWorld(t)
	hba := filepath.Join(w.pg.DataDir, "pg_hba.conf")
	before, err := os.ReadFile(hba)
	if err != nil {
		t.Fatal(err)
	}
	r := apply.Run(t.Context(), w.plan(plan.File{
		Path: hba, Block: &plan.Block{Name: "main", First: true},
		Content: plan.Text{Text: "local  all  all  trsut\n"}, Check: hbaErrors, Database: maintenance,
	}), w.env, apply.Options{})
	if text := r.String(); !strings.Contains(text, `invalid authentication method "trsut"`) {
		t.Errorf("report: %s", text)
	}
	if after, err := os.ReadFile(hba); err != nil || string(after) != string(before) {
		t.Errorf("pg_hba.conf was not put back: %v", err)
	}
	r = apply.Run(t.Context(), w.plan(plan.SQL{Database: maintenance, SQL: withSecret("SELECT @::int;", plan.FormLiteral)}), w.env, apply.Options{})
	if text := r.String(); strings.Contains(text, "canary") || !strings.Contains(text, topology.Redacted) {
		t.Errorf("report: %s", text)
	}
	r = apply.Run(t.Context(), w.plan(plan.Wait{Database: maintenance, Query: "SELECT nothing", What: "x", Timeout: time.Hour}), w.env, apply.Options{})
	if text := r.String(); !strings.Contains(text, `column "nothing" does not exist`) {
		t.Errorf("report: %s", text)
	}
}

// Statements of one step are one transaction.
func TestOneTransaction(t *testing.T) {
	w := newWorld(t)
	r := apply.Run(t.Context(), w.plan(sql("CREATE TABLE a ();\nSELECT 1/0;")), w.env, apply.Options{})
	if r.OK() || w.pg.Query(t, "SELECT to_regclass('a') IS NULL")[0][0] != "t" {
		t.Errorf("half a step was left: %v", r.Err())
	}
}

func TestTwoAppliesOnARealServer(t *testing.T) {
	w := newWorld(t)
	p := w.plan(sql("SELECT 1"))
	first, err := apply.AcquireLocks(t.Context(), p, lockable(w.machines), apply.LockOptions{Me: apply.Holder{Who: "ann@desk", From: "process 7"}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = apply.AcquireLocks(t.Context(), p, lockable(w.machines), apply.LockOptions{Me: apply.Holder{Who: "bob"}})
	var locked *apply.LockedError
	if !errors.As(err, &locked) || !strings.Contains(err.Error(), "ann@desk, process 7, since 2") {
		t.Errorf("on the host: %v", err)
	}
	// Another machine's apply, which has not met the host lock.
	_, err = apply.AcquireLocks(t.Context(), p, map[string]apply.LockNode{"pg1": sqlOnly{w.machines["pg1"]}}, apply.LockOptions{Me: apply.Holder{Who: "bob"}})
	if !errors.As(err, &locked) || locked.Holder.Who != "ann@desk" || time.Since(locked.Holder.Since) > time.Minute {
		t.Errorf("on the server: %v", err)
	}
	if err := first.Release(); err != nil {
		t.Error(err)
	}
	again, err := apply.AcquireLocks(t.Context(), p, lockable(w.machines), apply.LockOptions{Me: apply.Holder{Who: "bob"}, Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Release(); err != nil {
		t.Error(err)
	}
}

// sqlOnly takes no host lock.
type sqlOnly struct{ machine }

func (sqlOnly) LockHost(context.Context, apply.Holder) (apply.Lock, error) { return free{}, nil }

type free struct{}

func (free) Release() error        { return nil }
func (free) Lost() <-chan struct{} { return nil }
func (free) Renewed() time.Time    { return time.Now() }

func (free) Again(context.Context) (apply.Lock, error) { return free{}, nil }

// Files, programs and jobs.
func TestFilesAndPrograms(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(w.pg.SocketDir, "pass")
	r := apply.Run(t.Context(), w.plan(
		plan.File{Path: file, Content: withSecret("x:@", plan.FormPassfile), Mode: 0o600, Replaces: plan.Absent},
		plan.Command{Argv: []string{"cp", "--", file, file + " copy"}},
		plan.Command{Argv: []string{"sh", "-c", `echo '10/20 kB (50%)' >&2; sleep 0.2; echo broken >&2; exit 7`}, Job: "job"},
	), w.env, apply.Options{})
	if got, err := os.ReadFile(file + " copy"); err != nil || string(got) != `x:canary-9b1'\\e\:1` {
		t.Errorf("copied %q, %v; %v", got, err, r.Err())
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if text := r.String(); !strings.Contains(text, "exit status 7: broken") {
		t.Errorf("report: %s", text)
	}
	var last apply.StepProgress
	for _, e := range w.events.events {
		if p, ok := e.(apply.StepProgress); ok {
			last = p
		}
	}
	if last.Done != 10*1024 || last.Total != 20*1024 {
		t.Errorf("progress %+v", last)
	}
	m := w.machines["pg1"]
	if err := m.RemoveFile(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	if _, err := m.ReadFile(t.Context(), file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}
