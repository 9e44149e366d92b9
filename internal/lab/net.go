package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
)

// A lab's number is the third byte of its subnet and the root of its names, so
// labs that differ in number share nothing.

func subnet(number int) string { return fmt.Sprintf("10.77.%d", number) }
func bridge(number int) string { return fmt.Sprintf("rpl%d", number) }
func address(number, host int) string {
	return fmt.Sprintf("%s.%d", subnet(number), 10+host)
}

// netns is the name of the host's network namespace.
func (h *Host) netns() string { return fmt.Sprintf("%s-%s", bridge(h.lab.number), h.Name) }

// cable is the machine's end of the host's veth pair.
func (h *Host) cable() string { return fmt.Sprintf("%sh%d", bridge(h.lab.number), h.index) }

// inUse reports whether the machine has an address in the subnet: another lab's,
// perhaps of another directory, or someone else's.
func inUse(number int) (bool, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false, fmt.Errorf("addresses of this machine: %w", err)
	}
	for _, a := range addrs {
		if strings.HasPrefix(a.String(), subnet(number)+".") {
			return true, nil
		}
	}
	return false, nil
}

// addBridge makes the lab's bridge or nothing. The kernel refuses a second one of
// the name, which makes it a reservation of the number for the whole machine.
func addBridge(ctx context.Context, number int) error {
	if _, err := run(ctx, "", "ip", "link", "add", bridge(number), "type", "bridge"); err != nil {
		return fmt.Errorf("add bridge: %w", err)
	}
	_, err := run(ctx, fmt.Sprintf("addr add %[2]s.1/24 dev %[1]s\nlink set %[1]s up\n",
		bridge(number), subnet(number)), "ip", "-batch", "-")
	if err != nil {
		return errors.Join(fmt.Errorf("bridge %s: %w", bridge(number), err), delLink(context.WithoutCancel(ctx), bridge(number)))
	}
	return nil
}

// plug gives the host a network namespace and a cable to the bridge. The MAC is
// the same at every boot, so that no neighbor keeps a stale one; there is no
// default route: a host reaches its lab and nothing else.
func (h *Host) plug(ctx context.Context) error {
	if err := os.MkdirAll("/run/netns", 0o755); err != nil {
		return err
	}
	outer := fmt.Sprintf("netns add %[1]s\nlink add %[2]s type veth peer name eth0 netns %[1]s\nlink set %[2]s master %[3]s up\n",
		h.netns(), h.cable(), bridge(h.lab.number))
	if _, err := run(ctx, outer, "ip", "-batch", "-"); err != nil {
		return fmt.Errorf("plug in: %w", err)
	}
	inner := fmt.Sprintf("link set eth0 address 02:77:00:00:%02x:%02x\nlink set lo up\naddr add %s/24 brd + dev eth0\nlink set eth0 up\n",
		h.lab.number, h.index, h.Addr)
	if _, err := run(ctx, inner, "ip", "-netns", h.netns(), "-batch", "-"); err != nil {
		return fmt.Errorf("plug in: %w", err)
	}
	return nil
}

// unplug takes the cable and the network namespace away, and with it every
// connection: none of them says goodbye, the cable is gone first.
func (h *Host) unplug(ctx context.Context) error {
	return errors.Join(delLink(ctx, h.cable()), delNetns(ctx, h.netns()))
}

// delLink deletes a link if it is there. The kernel, or a program that outlived
// the lab's process by a moment, may be quicker.
func delLink(ctx context.Context, name string) error {
	return del(ctx, "/sys/class/net/"+name, "link", "delete", name)
}

// delNetns deletes a network namespace if it is there.
func delNetns(ctx context.Context, name string) error {
	return del(ctx, "/run/netns/"+name, "netns", "delete", name)
}

// del runs ip to delete what has the path, if it has.
func del(ctx context.Context, path string, argv ...string) error {
	if !exists(path) {
		return nil
	}
	_, err := run(ctx, "", append([]string{"ip"}, argv...)...)
	if err != nil && exists(path) {
		return fmt.Errorf("ip %s: %w", strings.Join(argv, " "), err)
	}
	return nil
}

// iptables runs iptables in the host's network namespace. Kernels have one of
// its two back ends or both; the first that answers is used.
func (h *Host) iptables(ctx context.Context, rules ...string) error {
	var errs []error
	for _, name := range []string{"iptables", "iptables-legacy"} {
		in := []string{"ip", "netns", "exec", h.netns(), tool(name), "-w"}
		if _, err := run(ctx, "", append(in, "-t", "mangle", "-S", "INPUT")...); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
			continue
		}
		for _, rule := range rules {
			if _, err := run(ctx, "", append(in, strings.Fields(rule)...)...); err != nil {
				return fmt.Errorf("%s %s: %w", name, rule, err)
			}
		}
		return nil
	}
	return errors.Join(errs...)
}
