package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// searchPath is what a login of root has in a Debian host.
const searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Host is one host of a lab. Its methods may be called at the same time, but a
// fault and its cure on one host are the caller's to order.
type Host struct {
	Name    string `json:"name"`    // host1, host2, …: its host name, and its name in the ssh config
	Addr    string `json:"addr"`    // its IPv4 address
	Suite   string `json:"suite"`   // its Debian
	Version int    `json:"version"` // the major version of its PostgreSQL
	Tree    string `json:"tree"`    // the directory its root stands on

	lab   *Lab
	index int // from 1

	mu    sync.Mutex // of delay
	delay *delayer
}

// file is the path of one of the host's files outside its root.
func (h *Host) file(name string) string { return filepath.Join(h.lab.Dir, h.Name, name) }

// pid1 is the host's pid 1, seen from outside.
func (h *Host) pid1() process { return readProcess(h.file("init.pid")) }

// Up reports whether the host runs. A frozen host does.
func (h *Host) Up() bool { return h.pid1().alive() }

// Command sets up a program inside the host as a user, with a clean environment;
// the caller starts it. It runs when sshd, the cable or the disk does not.
func (h *Host) Command(ctx context.Context, user string, argv ...string) (*exec.Cmd, error) {
	pid1 := h.pid1()
	if !pid1.alive() {
		return nil, fmt.Errorf("%s: run %s: the host is down", h.Name, argv[0])
	}
	full := []string{
		"--target", strconv.Itoa(pid1.PID), "--mount", "--uts", "--ipc", "--net", "--pid", "--",
		"/usr/bin/env", "-i", "HOME=/root", "LANG=C.UTF-8", searchPath,
	}
	if user != "root" {
		full = append(full, "setpriv", "--reuid="+user, "--regid="+user, "--init-groups", "--reset-env", "--",
			"/usr/bin/env", "LANG=C.UTF-8", searchPath)
	}
	cmd := exec.CommandContext(ctx, tool("nsenter"), append(full, argv...)...)
	cmd.Cancel = func() error { return killWithChild(cmd.Process) }
	return cmd, nil
}

// killWithChild kills nsenter and the program: it stays outside the pid
// namespace, and its end alone would leave the program running.
func killWithChild(nsenter *os.Process) error {
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%[1]d/task/%[1]d/children", nsenter.Pid))
	for _, child := range fields(children) {
		if n, err := strconv.Atoi(child); err == nil {
			_ = syscall.Kill(n, syscall.SIGKILL)
		}
	}
	return nsenter.Kill()
}

// Exec runs a program inside the host as root and returns its standard output.
// The error carries what it said on standard error.
func (h *Host) Exec(ctx context.Context, argv ...string) (string, error) {
	return h.ExecAs(ctx, "root", argv...)
}

// ExecAs is Exec as another user of the host.
func (h *Host) ExecAs(ctx context.Context, user string, argv ...string) (string, error) {
	cmd, err := h.Command(ctx, user, argv...)
	if err != nil {
		return "", err
	}
	out, err := finish(ctx, cmd)
	if err != nil {
		return out, fmt.Errorf("%s: %s: %w", h.Name, argv[0], err)
	}
	return out, nil
}

// SQL asks the server on port 5432, database postgres: see SQLOn.
func (h *Host) SQL(ctx context.Context, sql string) (string, error) {
	return h.SQLOn(ctx, 5432, "postgres", sql)
}

// SQLOn runs SQL through psql as postgres on the server's own socket and returns
// the rows, one a line, columns apart by "|", without the last line's end.
func (h *Host) SQLOn(ctx context.Context, port int, db, sql string) (string, error) {
	out, err := h.ExecAs(ctx, "postgres", "psql", "-XAtq", "-v", "ON_ERROR_STOP=1",
		"-p", strconv.Itoa(port), "-d", db, "-c", sql)
	return strings.TrimRight(out, "\n"), err
}

// Boot starts a host that is down, on the files it has, with a new network: what
// was cut is healed. It returns when sshd answers; the clusters whose start.conf
// says auto start meanwhile, as at Debian's boot.
func (h *Host) Boot(ctx context.Context) error {
	if h.Up() {
		return fmt.Errorf("%s: boot: the host is up", h.Name)
	}
	err := h.unplug(ctx) // a host that ended by itself has left its network
	if err == nil {
		err = h.plug(ctx)
	}
	if err == nil {
		err = h.power(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s: boot: %w", h.Name, err)
	}
	return nil
}

// power starts pid 1 and waits for sshd.
func (h *Host) power(ctx context.Context) error {
	console, err := os.OpenFile(h.file("console"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer console.Close()
	// No context: a host outlives the call, and may outlive the process. nsenter
	// becomes the shell in place, so that this child is pid 1 itself.
	argv := []string{"--net=/run/netns/" + h.netns(), "/bin/bash", filepath.Join(h.lab.Dir, "init.sh")}
	if h.systemd() {
		argv = append(argv, "group", h.group())
	}
	cmd := exec.Command(tool("nsenter"), append(argv, "enter", h.Name, filepath.Dir(h.file("root")), h.Tree)...)
	cmd.Stdout, cmd.Stderr = console, console
	cmd.SysProcAttr = isolated()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start its namespaces: %w", err)
	}
	pid1 := process{PID: cmd.Process.Pid, Start: startOf(cmd.Process.Pid)}
	go func() { _ = cmd.Wait() }() // so that it is no zombie when it ends
	if err := writeProcess(h.file("init.pid"), pid1); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	dead := false
	err = poll(ctx, func() bool {
		dead = !pid1.alive()
		return dead || h.greets(ctx)
	})
	if dead {
		err = errors.New("its pid 1 ended")
	}
	if err != nil {
		said, _ := os.ReadFile(h.file("console"))
		return fmt.Errorf("no sshd: %w; its console: %s", err, said[max(0, len(said)-500):])
	}
	return nil
}

// greets reports whether sshd answers.
func (h *Host) greets(ctx context.Context) bool {
	d := net.Dialer{Timeout: time.Second}
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(h.Addr, "22"))
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
	banner, err := bufio.NewReader(conn).ReadString('\n')
	return err == nil && strings.HasPrefix(banner, "SSH-2.0-")
}

// Stop shuts the host down in order: its clusters stop, connections are closed.
func (h *Host) Stop(ctx context.Context) error {
	pid1 := h.pid1()
	err := pid1.kill(h.shutdown())
	if err == nil {
		err = pid1.gone(ctx)
	}
	if err == nil {
		err = errors.Join(h.endDelay(ctx), h.unplug(ctx))
	}
	if err != nil {
		return fmt.Errorf("%s: stop: %w", h.Name, err)
	}
	return nil
}

// Crash cuts the host's power: the cable goes first, so that the dying kernel
// side of its connections tells nobody, then every process at once. What was
// written stays, whether synced or not: the machine's page cache lives on.
func (h *Host) Crash(ctx context.Context) error {
	err := delLink(ctx, h.cable())
	if err == nil {
		err = h.kill(ctx)
	}
	if err == nil {
		err = errors.Join(h.endDelay(ctx), h.unplug(ctx))
	}
	if err != nil {
		return fmt.Errorf("%s: crash: %w", h.Name, err)
	}
	return nil
}

// kill ends every process of the host. A frozen one dies when it thaws, with the
// signal waiting for it: it does not run on.
func (h *Host) kill(ctx context.Context) error {
	pid1 := h.pid1()
	if !pid1.alive() {
		return h.killUnrecorded(ctx)
	}
	if err := pid1.kill(syscall.SIGKILL); err != nil {
		return err
	}
	if err := h.thaw(); err != nil {
		return err
	}
	if err := pid1.gone(ctx); err != nil {
		return fmt.Errorf("wait for its end: %w", err)
	}
	return nil
}

// killUnrecorded ends what runs in the network of a host without a known pid 1:
// the process that started it was killed before it wrote the number down.
func (h *Host) killUnrecorded(ctx context.Context) error {
	if !exists("/run/netns/" + h.netns()) {
		return nil
	}
	for {
		pids, err := run(ctx, "", "ip", "netns", "pids", h.netns())
		if err != nil || pids == "" {
			return err
		}
		for pid := range strings.FieldsSeq(pids) {
			n, _ := strconv.Atoi(pid)
			p := process{PID: n, Start: startOf(n)}
			if err := errors.Join(p.kill(syscall.SIGKILL), p.gone(ctx)); err != nil {
				return err
			}
		}
	}
}
