package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Cut pulls the host's cable. Who has it in the ARP table hangs, others get
// "no route to host" after some seconds.
func (h *Host) Cut(ctx context.Context) error {
	if _, err := run(ctx, "", "ip", "link", "set", h.cable(), "down"); err != nil {
		return fmt.Errorf("%s: cut: %w", h.Name, err)
	}
	return nil
}

// CutPeer drops what goes between the host and a peer, both ways; both still
// reach the others. The rules are the host's: heal this one, not the peer.
func (h *Host) CutPeer(ctx context.Context, peer *Host) error {
	err := h.iptables(ctx, "-A INPUT -s "+peer.Addr+" -j DROP", "-A OUTPUT -d "+peer.Addr+" -j DROP")
	if err != nil {
		return fmt.Errorf("%s: cut off %s: %w", h.Name, peer.Name, err)
	}
	return nil
}

// DropAll drops every packet while the link stays up: connects hang until they
// time out, as behind a firewall.
func (h *Host) DropAll(ctx context.Context) error {
	if err := h.iptables(ctx, "-A INPUT -i eth0 -j DROP", "-A OUTPUT -o eth0 -j DROP"); err != nil {
		return fmt.Errorf("%s: drop all: %w", h.Name, err)
	}
	return nil
}

// Heal undoes Cut, CutPeer and DropAll of this host. Neighbours that gave up on
// it ask for it again at their next try, a second later at most. A delay stays:
// it lives in another table.
func (h *Host) Heal(ctx context.Context) error {
	_, err := run(ctx, "", "ip", "link", "set", h.cable(), "up")
	if err == nil && h.Up() {
		err = poll(ctx, h.linked)
	}
	if err = errors.Join(err, h.iptables(ctx, "-F INPUT", "-F OUTPUT")); err != nil {
		return fmt.Errorf("%s: heal: %w", h.Name, err)
	}
	return nil
}

// linked reports whether both ends of the cable know that it is plugged in: the
// kernel tells them up to a second late, and drops what is sent before.
func (h *Host) linked() bool {
	for _, link := range []string{
		"/sys/class/net/" + h.cable(),
		fmt.Sprintf("/proc/%d/root/sys/class/net/eth0", h.pid1().PID),
	} {
		state, err := os.ReadFile(link + "/operstate")
		if err != nil || strings.TrimSpace(string(state)) != "up" {
			return false
		}
	}
	return true
}

// freezer is where the host's control group is, and how it is told to freeze.
type freezer struct {
	dir, file, frozen, thawed string
}

func (h *Host) freezer() freezer {
	name := filepath.Join("repltool-lab", h.netns())
	if exists("/sys/fs/cgroup/freezer/cgroup.procs") {
		return freezer{filepath.Join("/sys/fs/cgroup/freezer", name), "freezer.state", "FROZEN", "THAWED"}
	}
	root := "/sys/fs/cgroup"
	if !exists(filepath.Join(root, "cgroup.procs")) {
		root = "/sys/fs/cgroup/unified"
	}
	return freezer{filepath.Join(root, name), "cgroup.freeze", "1", "0"}
}

func (f freezer) set(state string) error {
	return os.WriteFile(filepath.Join(f.dir, f.file), []byte(state), 0)
}

// Freeze makes every process of the host stand still. Its kernel does not: a
// connect succeeds, and nobody answers.
func (h *Host) Freeze(ctx context.Context) error {
	if !h.Up() {
		return fmt.Errorf("%s: freeze: the host is down", h.Name)
	}
	f := h.freezer()
	err := os.MkdirAll(f.dir, 0o755)
	if err == nil {
		err = f.set(f.frozen)
	}
	for done := false; err == nil && !done; {
		done, err = h.settle(ctx, f)
	}
	if err != nil {
		return fmt.Errorf("%s: freeze: %w", h.Name, err)
	}
	return nil
}

// settle gathers all processes in the frozen group and waits until they stand still. One in
// vfork never does while its child froze before exec: the group is let go for a moment, and
// the answer is false.
func (h *Host) settle(ctx context.Context, f freezer) (bool, error) {
	// A process that enters a frozen group freezes. One that was forking while we
	// looked is found by the next look.
	for found := true; found; {
		var err error
		if found, err = h.gather(ctx, f); err != nil {
			return false, err
		}
	}
	limited, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if poll(limited, f.still) == nil {
		return true, nil
	}
	return false, errors.Join(ctx.Err(), f.set(f.thawed), f.set(f.frozen))
}

// still reports whether the freezing is done: one in a system call takes a while.
func (f freezer) still() bool {
	if f.file == "freezer.state" {
		state, err := os.ReadFile(filepath.Join(f.dir, f.file))
		return err == nil && strings.TrimSpace(string(state)) == f.frozen // or FREEZING
	}
	events, err := os.ReadFile(filepath.Join(f.dir, "cgroup.events"))
	return err == nil && strings.Contains(string(events), "frozen 1")
}

// gather moves the host's processes into the group; it reports whether it found some outside.
func (h *Host) gather(ctx context.Context, f freezer) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	outside, err := h.strays(f)
	if err != nil {
		return false, err
	}
	for _, pid := range outside {
		err := os.WriteFile(filepath.Join(f.dir, "cgroup.procs"), []byte(pid), 0)
		if err != nil && exists("/proc/"+pid+"/ns/pid") {
			return false, fmt.Errorf("move process %s: %w", pid, err)
		}
	}
	return len(outside) > 0, nil
}

// strays are the host's processes that are not in the group.
func (h *Host) strays(f freezer) ([]string, error) {
	in, err := os.ReadFile(filepath.Join(f.dir, "cgroup.procs"))
	if err != nil {
		return nil, err
	}
	member := map[string]bool{}
	for _, pid := range fields(in) {
		member[pid] = true
	}
	space, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", h.pid1().PID))
	if err != nil {
		return nil, fmt.Errorf("its pid namespace: %w", err)
	}
	dirs, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var strays []string
	for _, d := range dirs {
		pid, err := strconv.Atoi(d.Name())
		if err != nil || member[d.Name()] || startOf(pid) == "" { // a zombie cannot be moved
			continue
		}
		if in, err := os.Readlink("/proc/" + d.Name() + "/ns/pid"); err == nil && in == space {
			strays = append(strays, d.Name())
		}
	}
	return strays, nil
}

// Thaw lets a frozen host continue.
func (h *Host) Thaw(context.Context) error {
	if err := h.thaw(); err != nil {
		return fmt.Errorf("%s: thaw: %w", h.Name, err)
	}
	return nil
}

func (h *Host) thaw() error {
	f := h.freezer()
	if !exists(f.dir) {
		return nil
	}
	return f.set(f.thawed)
}

// Frozen reports whether the host is frozen.
func (h *Host) Frozen() bool {
	f := h.freezer()
	state, err := os.ReadFile(filepath.Join(f.dir, f.file))
	return err == nil && len(state) > 0 && state[0] == f.frozen[0]
}

// dropFreezer removes the control group of a host that is down.
func (h *Host) dropFreezer(ctx context.Context) error {
	f := h.freezer()
	if !exists(f.dir) {
		return nil
	}
	// The kernel takes the dead out of the group a moment after their end.
	if err := poll(ctx, func() bool { return os.Remove(f.dir) == nil }); err != nil {
		return fmt.Errorf("remove control group %s: %w", f.dir, err)
	}
	_ = os.Remove(filepath.Dir(f.dir)) // the last one out
	return nil
}
