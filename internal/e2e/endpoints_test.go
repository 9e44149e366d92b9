package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/repltool/repltool/internal/lab"
)

const shop = `  parameters = { shared_buffers = "16MB" }
  database "shop" {}
  role "client" {
    login    = true
    password = var.password
  }
  hba {
    type     = "host"
    database = "shop"
    user     = "client"
    address  = "10.77.0.0/16"
    method   = "scram-sha-256"
  }
`

// TestEndpoints asks who may be written to and read from while standbys stand still, pause and
// lag; runs clients through HAProxy and PgBouncer, with the configuration of examples/e-commerce,
// while the primary moves; and ends with two primaries, of which none is given.
func TestEndpoints(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 3})
	w.topology(shop)
	w.write("main.hcl", strings.Replace(w.read("main.hcl"), `cluster "main"`, `cluster "shop"`, 1))
	w.must(0, "apply", "-auto-approve")
	w.in(1, "shop", "CREATE TABLE writes (id bigint PRIMARY KEY); GRANT INSERT, SELECT ON writes TO client")
	w.says(w.must(0, "endpoints", "shop"), "write: pg1\n", "read:  pg2, pg3\n")
	w.unfit()

	p := w.proxies()
	proxied := []*client{w.writesThrough(p.haproxy(5000)), w.writesThrough(p.bouncer("shop"))}
	w.throughProxies(p, proxied)
	for _, to := range []string{"pg2", "pg1"} {
		w.must(0, "switchover", "shop", "-to="+to, "-auto-approve")
		w.throughProxies(p, proxied)
	}
	for i, c := range proxied {
		close(c.stop)
		<-c.done
		found := map[string]bool{}
		for _, id := range strings.Fields(w.in(1, "shop", "SELECT id FROM writes")) {
			found[id] = true
		}
		lost := 0
		for id := range c.acknowledged {
			if !found[id] {
				lost++
			}
		}
		if lost > 0 || len(c.acknowledged) == 0 {
			t.Errorf("%d of %d acknowledged rows are lost", lost, len(c.acknowledged))
		}
		t.Logf("%s: %d acknowledged rows in two moves, no write for %s at most", []string{"HAProxy", "PgBouncer"}[i], len(c.acknowledged), c.gap.Round(time.Millisecond))
	}
	w.lagsBehindProxies(p)

	w.sql(3, "SELECT pg_promote()")
	w.says(w.must(1, "endpoints", "shop"), "Endpoints refused", "2 members accept writes: pg1 (timeline ", "write: none\n", "read:  none\n")
	if r := w.must(1, "endpoints", "shop", "-for=rw", "-format=dsn"); r.stdout != "" {
		t.Errorf("with two primaries it gives %s", r.stdout)
	}
	w.eventuallyIn(p.shop, "refused: 2 members accept writes")
	w.noSecrets()
}

// unfit has pg2 be not fit for reads in several ways, and says why.
func (w *world) unfit() {
	w.t.Helper()
	w.pauseReplay(2)
	w.says(w.must(0, "endpoints", "shop", "-for=ro"), "its replay is paused", "read:  pg3\n")
	w.sql(2, "SELECT pg_wal_replay_resume()")

	receiver := w.sql(2, "SELECT pid FROM pg_stat_wal_receiver")
	w.exec(2, "kill", "-STOP", receiver)
	w.in(1, "shop", "INSERT INTO writes SELECT -generate_series(1, 1000)")
	token := w.sql(1, "SELECT ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int || ':' || pg_current_wal_lsn()")
	// It still says that it streams, and that it has replayed all that it received.
	w.says(w.must(0, "endpoints", "shop", "-for=ro", "-max-lag=1s"), "lag > 1s: it has not replayed what pg1 had written", "read:  pg3\n")
	w.says(w.must(0, "endpoints", "shop", "-for=ro", "-after="+token), "read:  pg3\n")
	w.exec(2, "kill", "-CONT", receiver)
	w.says(w.must(0, "endpoints", "shop", "-for=ro", "-after="+token), "read:  pg2, pg3\n")
	w.says(w.must(1, "endpoints", "shop", "-for=ro", "-after=9:0/1"), "Token is void")

	w.sql(2, "ALTER SYSTEM SET recovery_min_apply_delay = '1h'")
	w.sql(2, "SELECT pg_reload_conf()")
	w.eventually("delays its replay by 1h0m0s", "endpoints", "shop", "-for=ro")
	w.sql(2, "ALTER SYSTEM RESET recovery_min_apply_delay")
	w.sql(2, "SELECT pg_reload_conf()")

	w.exec(2, "pg_ctlcluster", "15", "main", "stop", "-m", "fast")
	w.says(w.must(0, "endpoints", "shop"), "is down", "read:  pg3\n")
	r := w.must(0, "endpoints", "shop", "-for=ro", "-format=dsn")
	if want := fmt.Sprintf("host=%s,%s port=5432 target_session_attrs=prefer-standby connect_timeout=3\n", w.host(3).Addr, w.host(1).Addr); r.stdout != want {
		w.t.Errorf("got %q, want %q", r.stdout, want)
	}
	w.exec(2, "pg_ctlcluster", "15", "main", "start")
	w.eventually("read:  pg2, pg3\n", "endpoints", "shop")
}

// proxies are HAProxy and PgBouncer on this machine, each behind a watching repltool.
type proxies struct {
	w     *world
	dir   string
	ports map[int]int // as the example has them, and as they are here
	shop  string      // what repltool writes for HAProxy
}

func (w *world) proxies() *proxies {
	w.t.Helper()
	dir, err := os.MkdirTemp("", "endpoints-")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // PgBouncer does not run as root
		w.t.Fatal(err)
	}
	p := &proxies{w: w, dir: dir, ports: map[int]int{5000: freePort(w.t), 5001: freePort(w.t), 6432: freePort(w.t)}, shop: filepath.Join(dir, "shop.cfg")}
	p.file("haproxy.cfg")
	p.file("pgbouncer.ini")
	users := filepath.Join(dir, "userlist.txt")
	if err := os.WriteFile(users, []byte(`"client" "`+canary+`"`+"\n"), 0o644); err != nil {
		w.t.Fatal(err)
	}
	w.must(0, "endpoints", "shop", "-format=haproxy", "-write="+p.shop)
	w.must(0, "endpoints", "shop", "-format=pgbouncer", "-write="+filepath.Join(dir, "shop.ini"))
	if out, err := exec.CommandContext(w.t.Context(), "haproxy", "-c", "-f", filepath.Join(dir, "haproxy.cfg"), "-f", p.shop).CombinedOutput(); err != nil {
		w.t.Fatalf("haproxy -c: %v: %s", err, out)
	}
	balancer := p.start(exec.CommandContext(w.t.Context(), "haproxy", "-W", "-f", filepath.Join(dir, "haproxy.cfg"), "-f", p.shop))
	pooler := exec.CommandContext(w.t.Context(), "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "pgbouncer", filepath.Join(dir, "pgbouncer.ini"))
	pooler.Dir = dir
	bouncer := p.start(pooler)
	p.start(w.program("endpoints", "shop", "-max-lag=1s", "-format=haproxy", "-watch", "-write="+p.shop, fmt.Sprintf("-run=kill -USR2 %d", balancer)))
	p.start(w.program("endpoints", "shop", "-max-lag=1s", "-format=pgbouncer", "-watch", "-write="+filepath.Join(dir, "shop.ini"), fmt.Sprintf("-run=kill -HUP %d", bouncer)))
	return p
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// file is a file of the example, with the ports of here.
func (p *proxies) file(name string) {
	p.w.t.Helper()
	text, err := os.ReadFile("../../examples/e-commerce/" + name)
	if err != nil {
		p.w.t.Fatal(err)
	}
	s := string(text)
	for was, is := range p.ports {
		s = strings.ReplaceAll(s, fmt.Sprint(was), fmt.Sprint(is))
	}
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(s), 0o644); err != nil {
		p.w.t.Fatal(err)
	}
}

// start starts a program that runs until the test ends, and returns its process.
func (p *proxies) start(c *exec.Cmd) int {
	p.w.t.Helper()
	log, err := os.Create(filepath.Join(p.dir, fmt.Sprintf("%s-%d.log", filepath.Base(c.Path), time.Now().UnixNano())))
	if err != nil {
		p.w.t.Fatal(err)
	}
	c.Stdout, c.Stderr = log, log
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	if err := c.Start(); err != nil {
		p.w.t.Fatal(err)
	}
	p.w.t.Cleanup(func() {
		_ = c.Cancel() // it may have ended
		_ = c.Wait()
		_ = log.Close()
		if text, err := os.ReadFile(log.Name()); err == nil && p.w.t.Failed() {
			p.w.t.Logf("%v:\n%s", c.Args, text)
		}
	})
	return c.Process.Pid
}

func (p *proxies) haproxy(port int) string {
	return fmt.Sprintf("host=127.0.0.1 port=%d dbname=shop", p.ports[port])
}

func (p *proxies) bouncer(database string) string {
	return fmt.Sprintf("host=127.0.0.1 port=%d dbname=%s", p.ports[6432], database)
}

// throughProxies waits until each client has written something again, and reads come from a standby.
func (w *world) throughProxies(p *proxies, clients []*client) {
	w.t.Helper()
	for _, c := range clients {
		before := c.written.Load()
		w.becomes("a client writes through "+c.through, func() bool { return c.written.Load() > before })
	}
	w.readsFrom(p, "t")
}

// readsFrom waits until both ways lead reads to a standby ("t"), or to the primary ("f").
func (w *world) readsFrom(p *proxies, want string) {
	w.t.Helper()
	for _, way := range []string{p.haproxy(5001), p.bouncer("shop_ro")} {
		w.becomes("reads through "+way+" see pg_is_in_recovery() = "+want, func() bool { return w.reads(way) == want })
	}
}

func (w *world) reads(way string) string {
	config, err := pgconn.ParseConfig(way + " user=client sslmode=disable connect_timeout=2")
	if err != nil {
		return err.Error()
	}
	config.Password = canary
	conn, err := pgconn.ConnectConfig(w.t.Context(), config)
	if err != nil {
		return err.Error()
	}
	defer conn.Close(w.t.Context())
	all, err := conn.Exec(w.t.Context(), "SELECT pg_is_in_recovery()").ReadAll()
	if err != nil {
		return err.Error()
	}
	return string(all[0].Rows[0][0])
}

// becomes waits for a condition.
func (w *world) becomes(what string, is func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if is() {
			return
		}
	}
	w.t.Fatalf("not within a minute: %s", what)
}

// eventuallyIn waits until a file has that.
func (w *world) eventuallyIn(path, text string) {
	w.t.Helper()
	w.becomes(path+" has "+text, func() bool {
		has, err := os.ReadFile(path)
		return err == nil && strings.Contains(string(has), text)
	})
}

// lagsBehindProxies has both standbys lag, so that reads come from the primary, and catch up.
func (w *world) lagsBehindProxies(p *proxies) {
	w.t.Helper()
	var receivers []string
	for _, i := range []int{2, 3} {
		receivers = append(receivers, w.sql(i, "SELECT pid FROM pg_stat_wal_receiver"))
		w.exec(i, "kill", "-STOP", receivers[i-2])
	}
	w.in(1, "shop", "INSERT INTO writes SELECT -generate_series(1001, 2000)")
	w.readsFrom(p, "f")
	for _, i := range []int{2, 3} {
		w.exec(i, "kill", "-CONT", receivers[i-2])
	}
	w.readsFrom(p, "t")
}
