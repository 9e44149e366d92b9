package lab

import (
	"strings"
	"testing"
)

// A host with systemd boots, has units, and stops in order.
func TestSystemd(t *testing.T) {
	l := up(t, Options{Hosts: 1, Suites: []string{"bookworm+systemd"}})
	h := l.Hosts[0]
	out, err := l.sshAs(t, "admin", "host1", "sudo -n systemctl is-active ssh; systemctl show -p LoadState postgresql@15-main nosuch; cat /proc/1/comm")
	must(t, err)
	if want := "active\nLoadState=loaded\n\nLoadState=not-found\nsystemd\n"; out != want {
		t.Errorf("got %q, want %q", out, want)
	}
	must(t, h.Stop(t.Context()))
	must(t, h.Boot(t.Context()))
	if out, err := h.Exec(t.Context(), "systemctl", "--failed", "--plain", "--no-legend"); err != nil || strings.TrimSpace(out) != "" {
		t.Errorf("failed units: %s, %v", out, err)
	}
}
